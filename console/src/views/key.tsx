/** One key. */

import { useState } from "preact/hooks";

import * as api from "../api";
import { Deletion } from "../deletion";
import { Form, TextField, forgetAliases } from "../form";
import { date, tail } from "../format";
import { keyName, keyfold, keyUri } from "../keyfold";
import { useLoad, useTask, type Loaded } from "../load";
import { address } from "../router";
import { Copy, Facts, Failure, Table, View, say } from "../ui";
import { State, spec, usage } from "./keys";

interface Found {
  key: api.KeyMetadata;
  aliases: string[];
  /** Of symmetric keys, for those who may see them. */
  rotation: api.RotationStatus | undefined;
  versions: api.Version[];
}

async function load(id: string, signal: AbortSignal): Promise<Found> {
  const key = await api.describeKey(id, signal);
  const symmetric = key.KeySpec === "SYMMETRIC_DEFAULT";
  const [aliases, rotation, versions] = await Promise.all([
    api.unlessDenied(api.listAliases(key.KeyId, signal), []),
    symmetric ? api.unlessDenied(api.rotationStatus(key.KeyId, signal), undefined) : undefined,
    symmetric ? api.unlessDenied(api.listVersions(key.KeyId, signal), []) : [],
  ]);
  return { key, aliases: aliases.map((alias) => alias.AliasName), rotation, versions };
}

export function Key({ id }: { id: string }) {
  const found = useLoad((signal) => load(id, signal), [id]);
  const { value } = found;
  return (
    <View
      title={value?.aliases[0] ?? "Key"}
      back={{ to: address("keys"), name: "Keys" }}
      actions={value && <Actions found={value} reload={found.reload} />}
    >
      <Failure of={found.error} />
      {value && <Details value={value} found={found} />}
    </View>
  );
}

function Details({ value, found }: { value: Found; found: Loaded<Found> }) {
  const { key } = value;
  return (
    <>
      {key.KeyState === "PendingDeletion" && key.DeletionDate && (
        <p class="warning">
          This key ends on <strong>{date(key.DeletionDate)}</strong>. What is encrypted under it is
          lost then, for everybody and for good. Until then the deletion can be cancelled.
        </p>
      )}
      <Facts
        rows={[
          ["State", <State of={key.KeyState} />],
          ["Use", `${usage(key)}, ${spec(key.KeySpec)}`],
          ["Description", key.Description || <span class="quiet">none</span>],
          ["Created", date(key.CreationDate)],
          ["Key id", <code>{key.KeyId}</code>],
          [
            "ARN",
            <>
              <code>{key.Arn}</code> <Copy text={key.Arn} name="Copy the ARN" />
            </>,
          ],
        ]}
      />
      <Aliases id={key.KeyId} aliases={value.aliases} reload={found.reload} />
      {value.rotation && <Rotation value={value} status={value.rotation} reload={found.reload} />}
      {key.KeySpec !== "SYMMETRIC_DEFAULT" && key.KeyState === "Enabled" && (
        <PublicKey id={key.KeyId} />
      )}
    </>
  );
}

function Actions({ found, reload }: { found: Found; reload: () => void }) {
  const { key } = found;
  const [ending, setEnding] = useState(false);
  const task = useTask();
  const change = (work: () => Promise<unknown>, done: string) => () =>
    void task.run(async () => {
      await work();
      say(done);
      reload();
    });
  const id = key.KeyId;
  return (
    <>
      {key.KeyState === "Enabled" && key.KeySpec === "SYMMETRIC_DEFAULT" && (
        <button type="button" onClick={change(() => api.rotateKey(id), "The key is rotated")}>
          Rotate now
        </button>
      )}
      {key.KeyState === "Enabled" && (
        <button type="button" onClick={change(() => api.disableKey(id), "The key is disabled")}>
          Disable
        </button>
      )}
      {key.KeyState === "Disabled" && (
        <button type="button" onClick={change(() => api.enableKey(id), "The key is enabled")}>
          Enable
        </button>
      )}
      {key.KeyState === "PendingDeletion" ? (
        <button
          type="button"
          onClick={change(() => api.cancelDeletion(id), "The deletion is cancelled")}
        >
          Cancel the deletion
        </button>
      ) : (
        <button type="button" class="danger" onClick={() => setEnding(true)}>
          Schedule deletion …
        </button>
      )}
      <Failure of={task.error} />
      {ending && (
        <Deletion
          of="key"
          title="Schedule the deletion of this key"
          word={found.aliases[0] ?? id}
          schedule={(days) => api.scheduleDeletion(id, days)}
          close={() => setEnding(false)}
          done={reload}
        >
          At once, nobody can encrypt, decrypt, sign or verify with it. When the time is over the
          key is destroyed, and{" "}
          <strong>everything that is encrypted under it is lost for good</strong>, in every copy.
          Until then the deletion can be cancelled. To stop its use only, disable it.
        </Deletion>
      )}
    </>
  );
}

function Aliases(props: { id: string; aliases: string[]; reload: () => void }) {
  const [name, setName] = useState("");
  const task = useTask();
  const change = (work: () => Promise<unknown>, done: string) =>
    task.run(async () => {
      await work();
      forgetAliases();
      setName("");
      say(done);
      props.reload();
    });
  return (
    <section>
      <h2>Aliases</h2>
      {props.aliases.length > 0 && (
        <ul class="rows">
          {props.aliases.map((alias) => (
            <li key={alias}>
              <code>{alias}</code>
              <button
                type="button"
                class="small"
                aria-label={`Remove ${alias}`}
                onClick={() => void change(() => api.deleteAlias(alias), "The alias is removed")}
              >
                Remove
              </button>
            </li>
          ))}
        </ul>
      )}
      <Form
        class="line"
        submit={() =>
          void change(() => api.createAlias(keyName(name), props.id), "The alias is added")
        }
      >
        <TextField
          label="New alias"
          required
          placeholder="alias/…"
          value={name}
          set={setName}
          maxLength={256}
        />
        <button type="submit" aria-disabled={task.busy}>
          Add
        </button>
      </Form>
      <Failure of={task.error} />
    </section>
  );
}

function Rotation(props: { value: Found; status: api.RotationStatus; reload: () => void }) {
  const { value, status } = props;
  const [days, setDays] = useState(String(status.RotationPeriodInDays ?? 365));
  const task = useTask();
  const enabled = value.key.KeyState === "Enabled";
  const id = value.key.KeyId;
  const change = (work: () => Promise<unknown>, done: string) =>
    task.run(async () => {
      await work();
      say(done);
      props.reload();
    });
  return (
    <section>
      <h2>Rotation</h2>
      <p>
        {status.KeyRotationEnabled && status.NextRotationDate
          ? `Every ${status.RotationPeriodInDays} days, next on ${date(status.NextRotationDate)}. `
          : "Not by itself. "}
        A rotation makes a new version that encrypts from then on; older ones go on decrypting.
      </p>
      {enabled && (
        <Form
          class="line"
          submit={() =>
            void change(() => api.enableRotation(id, Number(days)), "Automatic rotation is on")
          }
        >
          <TextField
            label="Rotate every (days)"
            type="number"
            min={90}
            max={2560}
            required
            value={days}
            set={setDays}
          />
          <button type="submit">{status.KeyRotationEnabled ? "Change" : "Turn on"}</button>
          {status.KeyRotationEnabled && (
            <button
              type="button"
              onClick={() =>
                void change(() => api.disableRotation(id), "Automatic rotation is off")
              }
            >
              Turn off
            </button>
          )}
        </Form>
      )}
      <Failure of={task.error} />
      <Table name="Versions" head={["Version", "Since", "Why", "Id"]}>
        {value.versions
          .map((version, index) => (
            <tr key={version.KeyMaterialId}>
              <td>
                {index + 1}
                {version.KeyMaterialState === "CURRENT" && " (encrypts)"}
              </td>
              <td class="time">{date(version.RotationDate ?? value.key.CreationDate)}</td>
              <td>
                {version.RotationType
                  ? { AUTOMATIC: "Automatic rotation", ON_DEMAND: "Rotated on demand" }[
                      version.RotationType
                    ]
                  : "Created"}
              </td>
              <td>
                <code>{tail(version.KeyMaterialId).slice(0, 16)}…</code>
              </td>
            </tr>
          ))
          .reverse()}
      </Table>
    </section>
  );
}

function PublicKey({ id }: { id: string }) {
  const found = useLoad(
    async (signal) => {
      const key = await (await keyfold()).publicKey(keyUri(id), { signal });
      return key.toPem();
    },
    [id],
  );
  return (
    <section>
      <h2>Public key</h2>
      <Failure of={found.error} />
      {found.value && (
        <>
          <pre tabIndex={0} aria-label="Public key">
            {found.value}
          </pre>
          <Copy text={found.value} name="Copy the public key" />
        </>
      )}
    </section>
  );
}
