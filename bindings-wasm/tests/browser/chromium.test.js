/** Everything, in Chromium. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { Page, launch } from "./browsers.js";
import { MOST_BETWEEN, formats } from "./formats.js";
import { start } from "./start.js";

let browser;
let started;
let page;
before(async () => {
  started = await start("vite");
  browser = await launch("chromium");
  page = await Page.open(browser, started.site);
});
after(async () => {
  await browser?.close();
  await started?.stop();
});

formats(() => ({ ...started, page }));

const call = (name, args = {}) => page.call(name, { ...started.server.access, ...args });

test("a server that is not there", () => call("offline", { closed: started.closed }));

test("a server that goes away and comes back", () => call("comesBack"));

test("a token that ends is refreshed", () =>
  call("refreshed", { expired: started.server.token(-60) }));

test("a token that ends and cannot be refreshed", () =>
  call("ended", { expired: started.server.token(-60) }));

test("a signal ends calls to the KMS", () => call("abortedCalls"));

test("a KMS written in JavaScript", () => call("ownKms"));

test("a page whose policy forbids WebAssembly", async () => {
  const strict = await Page.open(browser, started.site, "/?no-wasm");
  await strict.call("noWebAssembly", started.server.access);
  await assert.rejects(() => strict.close(), /wasm-eval/);
});

test("a pool of workers", () => call("pool"));

test("a worker that runs something else", () => call("strangers"));

test("2 GiB through a stream that seals and one that opens, in memory that does not grow", async () => {
  const size = 2 ** 31;
  const memory = await Memory.watch(browser);
  const { between, memory: after } = await call("longStream", { size });
  const most = await memory.stop();
  console.log(
    `at most ${between >> 20} MiB between producer and consumer; afterwards ${after >> 20} MiB`,
  );
  assert.ok(between <= MOST_BETWEEN, `${between} bytes between producer and consumer`);
  assert.ok(after <= 128 << 20, `${after} bytes afterwards`);
  if (most === undefined) {
    console.log("the process was not watched: that takes Linux's /proc");
  } else {
    const { begun, highest } = most;
    console.log(`the page's process: ${begun >> 20} MiB at the start, ${highest >> 20} at most`);
    // What V8 leaves for its next collection is in it: far from what went through.
    assert.ok(highest - begun <= 512 << 20, `${highest - begun} bytes more`);
  }
});

test("nothing was refused by the policy, and nothing told on the console", () => page.close());

/** The memory of the renderers, four times a second, as Linux tells it. */
class Memory {
  static async watch(browser) {
    const memory = new Memory();
    if (process.platform !== "linux") return memory;
    const session = await browser.newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    memory.ids = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
    memory.begun = await memory.now();
    memory.highest = memory.begun;
    memory.timer = setInterval(async () => {
      memory.highest = Math.max(memory.highest, await memory.now());
    }, 250);
    return memory;
  }

  async now() {
    const sizes = this.ids.map(async (id) => {
      const status = await readFile(`/proc/${id}/status`, "utf8").catch(() => "");
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
    });
    return (await Promise.all(sizes)).reduce((a, b) => a + b, 0);
  }

  async stop() {
    clearInterval(this.timer);
    return this.ids && { begun: this.begun, highest: this.highest };
  }
}
