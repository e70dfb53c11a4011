/** What was asked of the KMS, and how it ended. */

import { useEffect, useState } from "preact/hooks";

import * as api from "../api";
import { TextField } from "../form";
import { count, time } from "../format";
import { useTask } from "../load";
import { Empty, Facts, Failure, Table, View, say } from "../ui";

/** Members of a record that have a column of their own. */
const SHOWN = ["seq", "time", "operation", "result"];

export function Audit() {
  const [records, setRecords] = useState<readonly api.AuditRecord[]>();
  const [next, setNext] = useState<string>();
  const [words, setWords] = useState("");
  const [changes, setChanges] = useState(false);
  const task = useTask();
  const load = (marker: string | undefined) =>
    void task.run(async () => {
      const page = await api.listAudit(marker);
      setRecords((before) => [...(marker ? (before ?? []) : []), ...page.items]);
      setNext(page.next);
      say(`${page.items.length} records are loaded`);
    });
  useEffect(() => load(undefined), []);
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const fitting = records?.filter((record) => {
    if (changes && record.readOnly) return false;
    const text = JSON.stringify(record).toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
  return (
    <View
      title="Audit log"
      lead="Every operation, the newest first. Each record is bound to all before it; keyfold audit verify proves it."
      actions={
        <button type="button" onClick={() => load(undefined)}>
          Look again
        </button>
      }
    >
      <TextField
        label="Only records with"
        hint="An operation, a principal, a key id, an error, in any order."
        type="search"
        value={words}
        set={setWords}
      />
      <label class="tick">
        <input
          type="checkbox"
          checked={changes}
          onChange={(event) => setChanges(event.currentTarget.checked)}
        />
        <span>Only what changed something</span>
      </label>
      <Failure of={task.error} />
      {fitting?.length === 0 ? (
        <Empty title="No such record">
          <p>{count(records?.length ?? 0)} records are loaded.</p>
        </Empty>
      ) : (
        <Table
          name="Audit records"
          head={["Number", "Time", "Operation", "Who", "About", "Result"]}
        >
          {fitting?.map((record) => (
            <Row key={record.seq} record={record} />
          ))}
        </Table>
      )}
      {next && (
        <p class="pages">
          <button type="button" onClick={() => load(next)}>
            Load older ones
          </button>
        </p>
      )}
    </View>
  );
}

function Row({ record }: { record: api.AuditRecord }) {
  const [open, setOpen] = useState(false);
  const [main, ...others] = record.resources ?? [];
  return (
    <>
      <tr>
        <td class="number">{count(record.seq)}</td>
        <td class="time">{time(record.time)}</td>
        <td>
          <button type="button" class="toggle" aria-expanded={open} onClick={() => setOpen(!open)}>
            {record.operation}
          </button>
        </td>
        <td title={record.principal}>{last(record.principal)}</td>
        <td title={main}>
          {main && <code>{short(main)}</code>}
          {others.length > 0 && <span class="quiet"> +{others.length}</span>}
        </td>
        <td>
          <span class={record.result === "ok" ? "state good" : "state bad"}>{record.result}</span>
        </td>
      </tr>
      {open && (
        <tr>
          <td colSpan={6} class="members">
            <Facts rows={members(record)} />
          </td>
        </tr>
      )}
    </>
  );
}

/** All that a record says, but what the row has in full. */
function members(record: api.AuditRecord): (readonly [string, string])[] {
  return Object.entries(record)
    .filter(([name]) => !SHOWN.includes(name))
    .map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
}

/** The last part of a principal's ARN. */
function last(arn: string): string {
  return arn.split(/[/:]/).at(-1) ?? arn;
}

/** The part of an ARN that differs from the next one's. */
function short(arn: string): string {
  const parts = arn.split(":");
  return parts
    .slice(5)
    .join(":")
    .replace(/^key\//, "");
}
