/** What was asked of the KMS, and how it ended. */

import { useEffect, useState } from "preact/hooks";

import * as api from "../api";
import { count, tail, time } from "../format";
import { Empty, Failure, Table, TextField, View, say, useTask } from "../ui";

/** Members of a record that have a column, or mean nothing to a reader. */
const SHOWN = ["seq", "time", "operation", "principal", "result", "resources"];

export function Audit() {
  const [records, setRecords] = useState<readonly api.AuditRecord[]>();
  const [next, setNext] = useState<string>();
  const [words, setWords] = useState("");
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
  const [main, ...others] = record.resources ?? [];
  const more = Object.entries(record).filter(([name]) => !SHOWN.includes(name));
  return (
    <tr>
      <td class="number">{count(record.seq)}</td>
      <td class="time">{time(record.time)}</td>
      <td>
        <details>
          <summary>{record.operation}</summary>
          <dl class="members">
            <div>
              <dt>principal</dt>
              <dd>{record.principal}</dd>
            </div>
            {record.resources && (
              <div>
                <dt>resources</dt>
                <dd>{record.resources.join(" ")}</dd>
              </div>
            )}
            {more.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{typeof value === "string" ? value : JSON.stringify(value)}</dd>
              </div>
            ))}
          </dl>
        </details>
      </td>
      <td title={record.principal}>{tail(record.principal)}</td>
      <td title={main}>
        {main && <code>{short(main)}</code>}
        {others.length > 0 && <span class="quiet"> and {others.length} more</span>}
      </td>
      <td>
        {record.result === "ok" ? (
          <span class="state good">ok</span>
        ) : (
          <span class="state bad">{record.result}</span>
        )}
      </td>
    </tr>
  );
}

/** The part of an ARN that differs from the next one's. */
function short(arn: string): string {
  const parts = arn.split(":");
  return parts
    .slice(5)
    .join(":")
    .replace(/^key\//, "");
}
