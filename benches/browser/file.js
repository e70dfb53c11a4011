/**
 * From file to file, in a process of its own: `node file.js PEER DIRECTION SOURCE TARGET SECRET`
 * prints the seconds and the most memory in bytes.
 */

import { readFile } from "node:fs/promises";

const [module, direction, source, target, secret] = process.argv.slice(2);
const begun = performance.now();
const peer = await import(module);
await peer[`${direction}File`](source, target, secret);
const seconds = (performance.now() - begun) / 1000;
process.stdout.write(JSON.stringify({ seconds, peak: await peak() }));

/** The most memory in bytes. Linux passes the figure of `getrusage` on from the parent. */
async function peak() {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? process.resourceUsage().maxRSS;
  return Number(kib) * 1024;
}
