/** What the suite found out, in the rows of `benches/src/report.rs`, and its floors. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * The rows, floors and notes of a run.
 *
 * A row has `case` (such as `Chromium`), `subject`, `size` (bytes of plaintext, 0 where there is
 * none), `threads`, `direction`, `metric` (`throughput`, `calls`, `peak memory`, `download`),
 * `value` (a median, or the most of all runs where it is memory), `unit`, and `ratio`: how many
 * times as fast as `ratio_to` in the same run.
 */
export class Report {
  rows = [];
  floors = [];
  notes = [];

  row(row) {
    this.rows.push({ threads: 1, ratio: null, ratio_to: null, ...row });
  }

  /** What keyfold has to reach. */
  floor(what, value, limit, unit, atLeast = true) {
    const met = atLeast ? value >= limit : value <= limit;
    this.floors.push({ what, value, limit, unit, at_least: atLeast, met });
  }

  /** Calls a second, or bytes where they are many, of subjects that were measured in turns. */
  times(about, seconds, ratioTo) {
    for (const [subject, own] of Object.entries(seconds)) {
      const to = subject === "keyfold" ? ratioTo : "keyfold";
      const common = { ...about, subject, ratio: seconds[to] / own, ratio_to: to };
      const figure =
        about.size > 1 << 10
          ? { metric: "throughput", value: about.size / own / 1e6, unit: "MB/s" }
          : { metric: "calls", value: 1 / own, unit: "/s" };
      this.row({ ...common, ...figure });
    }
  }

  async publish(folder) {
    const wide = Math.max(...this.rows.map(({ subject }) => subject.length));
    const line = (cells) => console.log(cells.join(" ").trimEnd());
    console.log();
    line([
      "case".padEnd(9),
      "direction".padEnd(9),
      "size".padStart(8),
      "subject".padEnd(wide),
      "metric".padEnd(11),
      "value".padStart(10),
      "".padEnd(5),
      "ratio".padStart(6),
      " to",
    ]);
    for (const row of this.rows) {
      line([
        row.case.padEnd(9),
        row.direction.padEnd(9),
        human(row.size).padStart(8),
        row.subject.padEnd(wide),
        row.metric.padEnd(11),
        figure(row.value).padStart(10),
        row.unit.padEnd(5),
        (row.ratio === null ? "" : row.ratio.toFixed(2)).padStart(6),
        ` ${row.ratio_to ?? ""}`,
      ]);
    }
    console.log();
    for (const { what, value, limit, unit, at_least, met } of this.floors) {
      const relation = at_least ? "at least" : "at most";
      const found = `${figure(value)} ${unit}`.trim();
      const word = met ? "met   " : "MISSED";
      line([`${word}  ${what}: ${found}, ${relation} ${figure(limit)} ${unit}`]);
    }
    for (const note of this.notes) console.log(`note: ${note}`);

    await mkdir(folder, { recursive: true });
    const path = join(folder, "browser.json");
    const { rows, floors, notes } = this;
    await writeFile(path, `${JSON.stringify({ rows, floors, notes }, null, 2)}\n`);
    console.log(`\nwritten: ${path}`);
  }
}

/** `64 MiB` for 67108864. */
export function human(size) {
  const units = [
    [1 << 30, "GiB"],
    [1 << 20, "MiB"],
    [1 << 10, "KiB"],
  ];
  for (const [unit, name] of units) {
    if (size && size % unit === 0) return `${size / unit} ${name}`;
  }
  return size ? `${size} B` : "";
}

/** A number with three digits that count, and thousands set apart. */
function figure(value) {
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  return value.toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
