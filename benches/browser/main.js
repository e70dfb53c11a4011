/**
 * keyfold's npm package beside its peers, in Chromium, Firefox and Node: `cargo xtask bench
 * browser`.
 *
 * Everything that is compared is measured in turns in one run, as in the suites in Rust.
 */

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";

import * as browsers from "./browsers.js";
import * as node from "./node.js";
import { Report } from "./report.js";
import * as sizes from "./sizes.js";

const { values: args } = parseArgs({
  options: {
    /** The folder with `aws-browser` and `aws-node`, and for pages that are made. */
    work: { type: "string" },
    chromium: { type: "string" },
    firefox: { type: "string" },
    /** Where browser.json goes. */
    out: { type: "string" },
    /** Measure in `node` or in `browsers` alone. */
    only: { type: "string" },
    /** Measure for a moment only. */
    quick: { type: "boolean", default: false },
  },
});

console.log(`Node ${process.version}, ${availableParallelism()} processors, ${process.arch}`);
const report = new Report();
await sizes.measure(args, report);
if (args.only !== "browsers") await node.measure(args, report);
if (args.only !== "node") await browsers.measure(args, report);
if (args.quick) report.notes.push("measured for a moment only: no figures to quote");
await report.publish(args.out);
