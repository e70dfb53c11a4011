/** Chromium and Firefox, each in a fresh profile, on a page from this machine. */

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";

import { build } from "esbuild";

import { human } from "./report.js";
import { chromium, firefox } from "./web/browsers.mjs";

/**
 * What each browser has to reach: `toWebCrypto` of WebCrypto in pieces of 16 KiB, so many `calls` a
 * second, and `workers` times as much with two of them. Firefox has several threads for WebCrypto
 * anyway: workers get it no more.
 */
const BROWSERS = [
  {
    name: "Chromium",
    launch: (args) => chromium(args.chromium, "--js-flags=--expose-gc"),
    toWebCrypto: 0.85,
    calls: 30_000,
    workers: 1.6,
  },
  { name: "Firefox", launch: (args) => firefox(args.firefox), toWebCrypto: 0.8 },
];

const KIB = 1 << 10;
const MIB = 1 << 20;

export async function measure(args, report) {
  const folder = join(args.work, "page");
  const aws = join(args.work, "aws-browser", "peer.js");
  await build({
    entryPoints: ["page.js", "pool_worker.js", "webcrypto_worker.js"].map((name) =>
      join(import.meta.dirname, name),
    ),
    bundle: true,
    splitting: true,
    format: "esm",
    outdir: folder,
    alias: { "@peer/aws-browser": aws },
    define: { global: "globalThis" },
    logLevel: "error",
  });
  const server = await serve(folder);
  try {
    for (const browser of BROWSERS) await one(browser, server.url, args, report);
  } finally {
    server.close();
  }
}

async function one({ name, launch, toWebCrypto, calls, workers }, url, args, report) {
  const browser = await launch(args);
  try {
    const page = await browser.newPage();
    const call = (work, ...values) => page.evaluate(work, ...values);
    page.on("pageerror", (error) => console.error(`${name}: ${error.stack ?? error}`));
    await page.goto(url);
    const peers = await call(() => bench.peers);
    for (const size of [KIB, MIB, args.quick ? 8 * MIB : 100 * MIB]) {
      console.log(`${name}: messages of ${human(size)}`);
      // Workers take no part in what is smaller.
      const names = peers.filter((peer) => size > KIB || !/worker|8 in flight/.test(peer));
      const found = await call(({ names, size, quick }) => bench.measure(names, size, quick), {
        names,
        size,
        quick: args.quick,
      });
      for (const [direction, seconds] of Object.entries(found)) {
        const bare = Object.keys(seconds).filter((peer) => /^WebCrypto.*flight/.test(peer));
        const fastest = bare.reduce((a, b) => (seconds[a] < seconds[b] ? a : b));
        report.times({ case: name, size, direction }, seconds, fastest);
        const what = `${name}, ${human(size)} ${direction}`;
        const ratio = seconds[fastest] / seconds.keyfold;
        if (size > KIB) {
          report.floor(`${what}, to ${fastest}`, ratio, toWebCrypto, "");
        } else if (calls) {
          report.floor(what, 1 / seconds.keyfold, calls, "/s");
        }
        if (size > MIB && workers) {
          const gain = seconds.keyfold / seconds["keyfold, 2 workers"];
          report.floor(`${what}, 2 workers to none`, gain, workers, "");
        }
      }
    }
  } finally {
    await browser.close();
  }
}

/** Serves a folder, and a page with its script, on a free port. */
async function serve(folder) {
  const server = createServer(async (request, response) => {
    const name = new URL(request.url, "http://localhost").pathname.slice(1);
    // Isolated pages have a finer clock; their workers have to say the same.
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("cross-origin-embedder-policy", "require-corp");
    if (!name) {
      response.setHeader("content-type", "text/html");
      return response.end('<!doctype html><script type="module" src="page.js"></script>');
    }
    try {
      const body = await readFile(join(folder, name));
      response.setHeader("content-type", "text/javascript");
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}
