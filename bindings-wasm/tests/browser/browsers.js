/** Browsers, each in a fresh profile; a page's faults are failures. */

import { chromium, firefox } from "./web/browsers.mjs";
import { given } from "./web/server.mjs";

const LAUNCH = {
  chromium: () => chromium(given("KEYFOLD_CHROMIUM")),
  firefox: () => firefox(given("KEYFOLD_FIREFOX")),
};

export const launch = (name) => LAUNCH[name]();

/** A page of a site, at which functions of the suite are called. */
export class Page {
  static async open(browser, site, path = "/") {
    const made = new Page();
    made.page = await browser.newPage();
    made.faults = [];
    made.page.on("console", (message) => {
      // Answers other than 200 are told there as well; a test knows which it asked for.
      const told = message.text();
      if (message.type() === "error" && !/^Failed to load resource/.test(told)) {
        made.faults.push(told);
      }
    });
    made.page.on("pageerror", (error) => made.faults.push(String(error?.stack ?? error)));
    await made.page.goto(site.url + path);
    await made.page.waitForFunction(() => globalThis.page !== undefined);
    return made;
  }

  /** Calls a function of the suite, in the page unless told otherwise. */
  call(name, args, where = "page") {
    return this.page.evaluate(
      ([where, name, args]) => globalThis.page.perform(where, name, args),
      [where, name, args],
    );
  }

  /** Ends it; fails where something was refused by the policy or written to the console. */
  async close() {
    const refused = await this.page.evaluate(() => globalThis.page.refused);
    await this.page.close();
    const found = [...this.faults, ...refused];
    if (found.length > 0) throw new Error(`the page has faults:\n${found.join("\n")}`);
  }
}
