// What the package weighs, held against its ledger: called by `cargo xtask npm` with the folder of
// the package. Sizes are those of `gzip -9`, as a server sends the files.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const dist = join(process.argv[2], "dist");
const ledger = JSON.parse(readFileSync("sizes.json", "utf8"));

/** What a file brings along before it runs. */
function closure(name, found = new Set()) {
  found.add(name);
  const source = readFileSync(join(dist, name), "utf8");
  for (const [, next] of source.matchAll(/(?:from|import)\s*"\.\/([^"]+\.js)"/g)) {
    if (!found.has(next)) closure(next, found);
  }
  return found;
}

const weigh = (names) =>
  [...names].reduce(
    (sum, name) => sum + gzipSync(readFileSync(join(dist, name)), { level: 9 }).length,
    0,
  );

const web = closure("web.js");
const later = readdirSync(dist).filter((name) => /^extra_module.*\.js$/.test(name));
const sizes = {
  "default page": weigh(web),
  "in Node.js": weigh(closure("node.js")),
  "loaded when needed": weigh(later),
  "keyfold/cloud": weigh(closure("cloud.js")),
};
let failed = false;
for (const [what, bytes] of Object.entries(sizes)) {
  const { limit, goal } = ledger[what];
  const over = bytes > limit;
  failed ||= over;
  const notes = [`the limit is ${limit}`];
  if (goal !== undefined && bytes > goal) notes.push(`the goal is ${goal}`);
  if (over) notes.push("TOO LARGE");
  console.log(`${what.padEnd(20)} ${String(bytes).padStart(8)} bytes; ${notes.join("; ")}`);
}
for (const name of web) console.log(`  ${name.padEnd(28)} ${weigh([name])}`);
process.exitCode = failed ? 1 : 0;
