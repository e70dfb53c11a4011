/** The keys of the store, and a new one. */

import { useState } from "preact/hooks";

import * as api from "../api";
import { Choice, Form, SelectField, Submit, TextField, forgetAliases } from "../form";
import { date } from "../format";
import { keyName } from "../keyfold";
import { useLoad, useTask } from "../load";
import { address, go } from "../router";
import { Empty, Failure, Pager, Table, View, say, usePages } from "../ui";

/** Each key of a page costs a call of its own. */
const PAGE = 25;

interface Row {
  id: string;
  key: api.KeyMetadata | undefined;
  aliases: string[];
}

async function load(marker: string | undefined, signal: AbortSignal): Promise<api.Page<Row>> {
  const [page, aliases] = await Promise.all([
    api.listKeys(PAGE, marker, signal),
    // Who may not list aliases sees the ids.
    api.unlessDenied(api.listAliases(undefined, signal), []),
  ]);
  const row = async (id: string) => ({
    id,
    key: await api.unlessDenied(api.describeKey(id, signal), undefined),
    aliases: aliases.filter((alias) => alias.TargetKeyId === id).map((alias) => alias.AliasName),
  });
  return { items: await Promise.all(page.items.map(row)), next: page.next };
}

/** What a state is called, beside its colour. */
export function State({ of }: { of: api.KeyMetadata["KeyState"] }) {
  const [kind, name] = {
    Enabled: ["good", "Enabled"],
    Disabled: ["off", "Disabled"],
    PendingDeletion: ["bad", "Ends soon"],
  }[of] ?? ["off", of];
  return <span class={`state ${kind}`}>{name}</span>;
}

/** What a key does. */
export function usage(key: api.KeyMetadata): string {
  return key.KeyUsage === "SIGN_VERIFY" ? "Signs" : "Encrypts";
}

/** What kind of key it is. */
export function spec(name: string): string {
  return SPECS.find(([value]) => value === name)?.[1] ?? name;
}

export function Keys() {
  const pages = usePages();
  const found = useLoad((signal) => load(pages.marker, signal), [pages.marker]);
  return (
    <View
      title="Keys"
      lead="Keys never leave the server. What they do here is written in the audit log."
      actions={
        <a class="button main" href={address("new-key")}>
          Create a key
        </a>
      }
    >
      <Failure of={found.error} />
      {found.value?.items.length === 0 ? (
        <Empty title="No key yet">
          <p>Everything begins with one: create a key, and encrypt something under it.</p>
        </Empty>
      ) : (
        <Table name="Keys" head={["Name", "Key id", "Use", "Kind", "State", "Created"]}>
          {found.value?.items.map(({ id, key, aliases }) => (
            <tr key={id}>
              <td>
                <a href={address("keys", id)}>
                  {aliases.length > 0 ? aliases.join(", ") : "(no alias)"}
                  <span class="unseen"> {id}</span>
                </a>
                {key?.Description && <span class="under">{key.Description}</span>}
              </td>
              <td>
                <code>{id}</code>
              </td>
              <td>{key && usage(key)}</td>
              <td>{key && spec(key.KeySpec)}</td>
              <td>
                {key ? <State of={key.KeyState} /> : <span class="quiet">not yours to see</span>}
              </td>
              <td class="time">{key && date(key.CreationDate)}</td>
            </tr>
          ))}
          {!found.value && !found.error && (
            <tr>
              <td colSpan={6} class="quiet">
                Loading …
              </td>
            </tr>
          )}
        </Table>
      )}
      <Pager pages={pages} next={found.value?.next} />
    </View>
  );
}

const SPECS = [
  ["SYMMETRIC_DEFAULT", "AES-256"],
  ["ECC_NIST_P256", "ECDSA P-256"],
  ["ECC_NIST_P384", "ECDSA P-384"],
  ["ECC_NIST_P521", "ECDSA P-521"],
  ["ECC_SECG_P256K1", "ECDSA secp256k1"],
  ["ECC_NIST_EDWARDS25519", "Ed25519"],
  ["RSA_2048", "RSA 2048"],
  ["RSA_3072", "RSA 3072"],
  ["RSA_4096", "RSA 4096"],
] as const;

type Use = "ENCRYPT_DECRYPT" | "SIGN_VERIFY";

function specsFor(use: Use) {
  const signs = use === "SIGN_VERIFY";
  return SPECS.filter(([name]) => name.startsWith("RSA") || name.startsWith("ECC") === signs);
}

export function NewKey() {
  const [alias, setAlias] = useState("");
  const [description, setDescription] = useState("");
  const [use, setUse] = useState<Use>("ENCRYPT_DECRYPT");
  const [spec, setSpec] = useState<string>("SYMMETRIC_DEFAULT");
  // A key that was made stays made where its name is refused.
  const [made, setMade] = useState<string>();
  const task = useTask();
  const submit = () =>
    task.run(async () => {
      const key = { KeySpec: spec, KeyUsage: use, Description: description };
      const id = made ?? (await api.createKey(key)).KeyId;
      setMade(id);
      if (alias.trim() !== "") await api.createAlias(keyName(alias), id);
      forgetAliases();
      say("The key is made");
      go("keys", id);
    });
  const choose = (use: Use) => {
    setUse(use);
    setSpec(specsFor(use)[0]?.[0] ?? "");
  };
  return (
    <View title="Create a key" back={{ to: address("keys"), name: "Keys" }}>
      <Form submit={() => void submit()}>
        <TextField
          label="Alias"
          hint="A name that can move to another key later: letters, digits, / _ and -."
          placeholder="alias/…"
          value={alias}
          set={setAlias}
          maxLength={256}
        />
        <TextField
          label="Description (optional)"
          value={description}
          set={setDescription}
          maxLength={8192}
        />
        <Choice
          label="Use"
          value={use}
          set={choose}
          options={[
            ["ENCRYPT_DECRYPT", "Encrypt and decrypt"],
            ["SIGN_VERIFY", "Sign and verify"],
          ]}
        />
        <SelectField label="Kind" value={spec} set={setSpec} options={specsFor(use)} />
        <Failure of={task.error} />
        {made && task.error !== undefined && (
          <p>
            The key itself is made: <a href={address("keys", made)}>{made}</a>. Choose another
            alias, or go on without one.
          </p>
        )}
        <Submit busy={task.busy}>{made ? "Name the key" : "Create the key"}</Submit>
      </Form>
    </View>
  );
}
