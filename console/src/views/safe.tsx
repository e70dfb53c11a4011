/** The secrets of the store, and a new one. */

import { useState } from "preact/hooks";

import * as api from "../api";
import { Form, KeyField, Submit, TextField } from "../form";
import { date } from "../format";
import { keyName } from "../keyfold";
import { useLoad, useTask } from "../load";
import { address, go } from "../router";
import { Empty, Failure, Pager, Table, View, say, usePages } from "../ui";
import { ValueField } from "./secret";

export function Safe() {
  const pages = usePages();
  const [deleted, setDeleted] = useState(false);
  const found = useLoad(
    (signal) => api.listSecrets(pages.marker, deleted, signal),
    [pages.marker, deleted],
  );
  return (
    <View
      title="Safe"
      lead="Passwords and other secrets, each version kept. A value is fetched only when you ask to see it."
      actions={
        <a class="button main" href={address("new-secret")}>
          Store a secret
        </a>
      }
    >
      <label class="tick">
        <input
          type="checkbox"
          checked={deleted}
          onChange={(event) => {
            pages.restart();
            setDeleted(event.currentTarget.checked);
          }}
        />
        <span>Show those that wait for their deletion</span>
      </label>
      <Failure of={found.error} />
      {found.value?.items.length === 0 && !found.value.next ? (
        <Empty title="No secret yet">
          <p>Store the first one: a password, a token, a connection string.</p>
        </Empty>
      ) : (
        <Table name="Secrets" head={["Name", "Description", "Changed", "State"]}>
          {found.value?.items.map((secret) => (
            <tr key={secret.ARN}>
              <td>
                <a href={address("safe", secret.Name)}>{secret.Name}</a>
              </td>
              <td>{secret.Description}</td>
              <td class="time">{secret.LastChangedDate && date(secret.LastChangedDate)}</td>
              <td>
                {secret.DeletedDate ? (
                  <span class="state bad">Ends {date(secret.DeletedDate)}</span>
                ) : (
                  <span class="state good">Kept</span>
                )}
              </td>
            </tr>
          ))}
        </Table>
      )}
      <Pager pages={pages} next={found.value?.next} />
    </View>
  );
}

export function NewSecret() {
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [value, setValue] = useState("");
  const [key, setKey] = useState("");
  const task = useTask();
  const submit = () =>
    task.run(async () => {
      await api.createSecret({
        Name: name,
        SecretString: value,
        ...(description && { Description: description }),
        ...(key.trim() && { KmsKeyId: keyName(key) }),
      });
      say("The secret is stored");
      go("safe", name);
    });
  return (
    <View title="Store a secret" back={{ to: address("safe"), name: "Safe" }}>
      <Form submit={() => void submit()}>
        <TextField
          label="Name"
          hint="Such as db/password: letters, digits and / _ + = . @ -"
          required
          pattern="[A-Za-z0-9\/_+=.@\-]+"
          maxLength={512}
          value={name}
          set={setName}
        />
        <TextField
          label="Description (optional)"
          hint="Not secret."
          maxLength={2048}
          value={description}
          set={setDescription}
        />
        <ValueField value={value} set={setValue} />
        <KeyField
          label="Key (optional)"
          hint="It protects the value. Without one, the safe's own."
          required={false}
          value={key}
          set={setKey}
        />
        <Failure of={task.error} />
        <Submit busy={task.busy}>Store the secret</Submit>
      </Form>
    </View>
  );
}
