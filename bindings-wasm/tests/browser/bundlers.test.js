/** The package as Vite, webpack and esbuild bundle it: in a page, a worker and a service worker. */

import { after, before, describe, test } from "node:test";

import { Page, launch } from "./browsers.js";
import { bundlers } from "./bundle.js";
import { start } from "./start.js";

let browser;
before(async () => {
  browser = await launch("chromium");
});
after(() => browser?.close());

for (const bundler of bundlers) {
  describe(`built by ${bundler}`, () => {
    let started;
    let page;
    before(async () => {
      started = await start(bundler);
      page = await Page.open(browser, started.site);
    });
    after(async () => {
      await page?.page.close();
      await started?.stop();
    });

    test("the six tasks over a server, in the page", () =>
      page.call("sixTasks", { ...started.server.access, name: "page" }));

    test("the six tasks over the embedded KMS, in the page", () => page.call("embeddedTasks", {}));

    test("the six tasks over a server, in a worker", () =>
      page.call("sixTasks", { ...started.server.access, name: "worker" }, "worker"));

    test("the six tasks over the embedded KMS, in a worker", () =>
      page.call("embeddedTasks", {}, "worker"));

    test("values and streams in a service worker", () =>
      page.call(
        "workerTasks",
        { ...started.server.access, ...started.serviceWorker },
        "service worker",
      ));

    test("nothing was refused by the policy, and nothing told on the console", async () => {
      const ended = page;
      page = undefined;
      await ended.close();
    });
  });
}
