/** One secret: its value on demand, its versions, a new value, its deletion. */

import { useEffect, useState } from "preact/hooks";

import * as api from "../api";
import { Deletion } from "../deletion";
import { Field, Form, Submit } from "../form";
import { date, time, toText, fromBase64, tail } from "../format";
import { useLoad, useTask } from "../load";
import { address } from "../router";
import { Copy, Facts, Failure, Table, View, say } from "../ui";

/** For how long a value is seen, in milliseconds. */
const SEEN = 60_000;

async function load(name: string, signal: AbortSignal) {
  const [secret, versions] = await Promise.all([
    api.describeSecret(name, signal),
    api.unlessDenied(api.listSecretVersions(name, signal), []),
  ]);
  return { secret, versions };
}

export function Secret({ name }: { name: string }) {
  const found = useLoad((signal) => load(name, signal), [name]);
  const [ending, setEnding] = useState(false);
  const task = useTask();
  const { value } = found;
  const deleted = value?.secret.DeletedDate;
  const restore = () =>
    void task.run(async () => {
      await api.restoreSecret(name);
      say("The secret is restored");
      found.reload();
    });
  return (
    <View
      title={name}
      back={{ to: address("safe"), name: "Safe" }}
      actions={
        value &&
        (deleted ? (
          <button type="button" onClick={restore}>
            Restore
          </button>
        ) : (
          <button type="button" class="danger" onClick={() => setEnding(true)}>
            Delete …
          </button>
        ))
      }
    >
      <Failure of={found.error ?? task.error} />
      {value && (
        <>
          {deleted && (
            <p class="warning">
              This secret ends on <strong>{date(deleted)}</strong>. Until then it can be restored,
              and not be read.
            </p>
          )}
          <Facts
            rows={[
              ["Description", value.secret.Description || <span class="quiet">none</span>],
              [
                "Changed",
                value.secret.LastChangedDate ? time(value.secret.LastChangedDate * 1000) : "",
              ],
              [
                "Protected by",
                value.secret.KmsKeyId ? (
                  <code>{tail(value.secret.KmsKeyId)}</code>
                ) : (
                  "the safe's own key"
                ),
              ],
              ["ARN", <code>{value.secret.ARN}</code>],
            ]}
          />
          {!deleted && (
            <>
              <Value name={name} />
              <Put name={name} reload={found.reload} />
            </>
          )}
          <h2>Versions</h2>
          <Table name="Versions" head={["Version", "Stages", "Stored", "Value"]}>
            {value.versions.map((version) => (
              <tr key={version.VersionId}>
                <td>
                  <code>{version.VersionId}</code>
                </td>
                <td>{version.VersionStages?.join(", ") || <span class="quiet">none</span>}</td>
                <td class="time">{time(version.CreatedDate * 1000)}</td>
                <td>{!deleted && <Value name={name} version={version.VersionId} small />}</td>
              </tr>
            ))}
          </Table>
        </>
      )}
      {ending && (
        <Deletion
          of="secret"
          title="Delete this secret"
          word={name}
          schedule={(days) => api.deleteSecret(name, days)}
          close={() => setEnding(false)}
          done={found.reload}
        >
          At once nobody can read it. When the time is over{" "}
          <strong>all its versions are lost for good</strong>; until then it can be restored.
        </Deletion>
      )}
    </View>
  );
}

/** A value behind dots: fetched when somebody wants to see it, and forgotten after a minute. */
function Value(props: { name: string; version?: string; small?: boolean }) {
  const [seen, setSeen] = useState<string>();
  const task = useTask();
  useEffect(() => {
    if (seen === undefined) return;
    const timer = setTimeout(() => setSeen(undefined), SEEN);
    return () => clearTimeout(timer);
  }, [seen]);
  const reveal = () =>
    void task.run(async () => {
      const found = await api.getSecret(props.name, props.version);
      const binary = found.SecretBinary ?? "";
      const bytes = fromBase64(binary);
      setSeen(found.SecretString ?? (bytes && toText(bytes)) ?? binary);
      say("The value is shown");
    });
  const which = props.version ? ` of version ${props.version.slice(0, 8)}` : "";
  const shown = (
    <div class="value">
      {seen === undefined ? (
        <samp class="hidden-value" aria-hidden="true">
          ••••••••••••
        </samp>
      ) : (
        <samp>{seen}</samp>
      )}
      {seen === undefined ? (
        <button
          type="button"
          class="small"
          aria-label={`Reveal the value${which}`}
          onClick={reveal}
        >
          Reveal
        </button>
      ) : (
        <>
          <Copy text={seen} />
          <button
            type="button"
            class="small"
            onClick={() => {
              setSeen(undefined);
              say("The value is hidden");
            }}
          >
            Hide
          </button>
        </>
      )}
      <Failure of={task.error} />
    </div>
  );
  if (props.small) return shown;
  return (
    <section>
      <h2>Value</h2>
      {shown}
      <p class="hint">Each look is written in the audit log. It is hidden again after a minute.</p>
    </section>
  );
}

/** A value to store: hidden while it is typed, unless somebody wants to see it. */
export function ValueField({ value, set }: { value: string; set: (value: string) => void }) {
  const [seen, setSeen] = useState(false);
  const task = useTask();
  const make = () => void task.run(async () => set(await api.randomPassword()));
  return (
    <>
      <Field label="Value" hint="At most 65,536 bytes.">
        {(ids) =>
          seen ? (
            <textarea
              {...ids}
              class="code"
              rows={4}
              required
              spellcheck={false}
              autoComplete="off"
              value={value}
              onInput={(event) => set(event.currentTarget.value)}
            />
          ) : (
            <input
              {...ids}
              type="password"
              required
              autoComplete="new-password"
              value={value}
              onInput={(event) => set(event.currentTarget.value)}
            />
          )
        }
      </Field>
      <div class="buttons">
        <button type="button" class="small" aria-pressed={seen} onClick={() => setSeen(!seen)}>
          {seen ? "Hide what is typed" : "Show what is typed"}
        </button>
        <button type="button" class="small" onClick={make}>
          Make a password
        </button>
      </div>
      <Failure of={task.error} />
    </>
  );
}

function Put({ name, reload }: { name: string; reload: () => void }) {
  const [open, setOpen] = useState(false);
  const [value, setValue] = useState("");
  const task = useTask();
  const submit = async () => {
    const done = await task.run(async () => {
      await api.putSecret(name, value);
    });
    if (!done) return;
    setValue("");
    setOpen(false);
    say("The new value is stored");
    reload();
  };
  if (!open) {
    return (
      <p>
        <button type="button" onClick={() => setOpen(true)}>
          Store a new value …
        </button>
      </p>
    );
  }
  return (
    <section>
      <h2>New value</h2>
      <Form submit={() => void submit()}>
        <ValueField value={value} set={setValue} />
        <Failure of={task.error} />
        <div class="buttons">
          <Submit busy={task.busy}>Store</Submit>
          <button type="button" onClick={() => setOpen(false)}>
            Keep the old one
          </button>
        </div>
      </Form>
    </section>
  );
}
