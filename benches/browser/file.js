/**
 * From file to file, in a process of its own: `node file.js PEER DIRECTION SOURCE TARGET SECRET`
 * prints the seconds and the most memory in bytes.
 */

const [module, direction, source, target, secret] = process.argv.slice(2);
const begun = performance.now();
const peer = await import(module);
await peer[`${direction}File`](source, target, secret);
const seconds = (performance.now() - begun) / 1000;
const { maxRSS } = process.resourceUsage();
process.stdout.write(JSON.stringify({ seconds, peak: maxRSS * 1024 }));
