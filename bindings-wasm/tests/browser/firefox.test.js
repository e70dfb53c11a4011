/** Vectors, streams and ranges, in Firefox. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Page, launch } from "./browsers.js";
import { MOST_BETWEEN, formats } from "./formats.js";
import { start } from "./start.js";

let browser;
let started;
let page;
before(async () => {
  started = await start("vite");
  browser = await launch("firefox");
  page = await Page.open(browser, started.site);
});
after(async () => {
  await browser?.close();
  await started?.stop();
});

formats(() => ({ ...started, page }));

const access = () => ({ ...started.server.access, name: "firefox" });

test("the six tasks over a server", () => page.call("sixTasks", access()));

test("the six tasks over the embedded KMS, in a worker", () =>
  page.call("embeddedTasks", {}, "worker"));

test("64 MiB through a stream that seals and one that opens", async () => {
  const { between } = await page.call("longStream", { ...access(), size: 64 << 20 });
  assert.ok(between <= MOST_BETWEEN, `${between} bytes between producer and consumer`);
});

test("nothing was refused by the policy, and nothing told on the console", () => page.close());
