/** The main path, in Firefox. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { ConsoleServer, WATCH } from "./support.mjs";
import { firefox } from "./web/browsers.mjs";
import { given } from "./web/server.mjs";

let server;
let browser;
before(async () => {
  server = await ConsoleServer.start();
  browser = await firefox(given("KEYFOLD_FIREFOX"));
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("sign in, make a key, encrypt and decrypt a text and a file, read the log", async () => {
  const page = await browser.newPage();
  page.setDefaultTimeout(20_000);
  const faults = [];
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== server.url && protocol !== "blob:") faults.push(`asks ${request.url()}`);
  });
  await page.evaluateOnNewDocument(WATCH);
  await page.goto(server.console);
  const at = (selector) => page.locator(selector);
  const click = (selector) => at(selector).click();
  const button = (name) => click(`::-p-aria([name="${name}"][role="button"])`);
  const view = async (name) => {
    await click(`::-p-aria([name="${name}"][role="link"])`);
    await heading(name);
  };
  const heading = (name) => page.waitForSelector(`::-p-aria([name="${name}"][role="heading"])`);
  const fill = (label, text) => at(`::-p-aria([name="${label}"][role="textbox"])`).fill(text);
  const value = (label) =>
    page.$eval(`::-p-aria([name="${label}"][role="textbox"])`, (e) => e.value);
  const said = (text) => page.waitForSelector(`::-p-text(${text})`);

  await at("input[type=password]").fill(await server.token());
  await button("Sign in");
  await heading("Keys");
  await click('::-p-aria([name="Create a key"][role="link"])');
  await fill("Alias", "alias/fox");
  await button("Create the key");
  await heading("alias/fox");

  await view("Small data");
  await fill("Text", "fox");
  await at("input[list]").fill("alias/fox");
  await button("Encrypt");
  await page.waitForSelector('::-p-aria([name="Copy"][role="button"])');
  const sealed = await value("Encrypted, in base64");
  await click('::-p-aria([name="Decrypt"][role="radio"])');
  await fill("Encrypted, in base64", sealed);
  await button("Decrypt");
  await page.waitForSelector('::-p-aria([name="Clear"][role="button"])');
  assert.equal(await value("Decrypted"), "fox");

  await view("Files");
  await said("files may have up to 1.0 GiB");
  const plain = join(server.home, "plain.bin");
  await writeFile(plain, randomBytes(5_000_000));
  await at("input[list]").fill("alias/fox");
  await (await page.$("#files")).uploadFile(plain);
  await button("Encrypt and save");
  await said("Encrypted as plain.bin.kf");
  const other = join(server.home, "other.kf");
  await server.keyfold("encrypt", plain, "--output", other, "--key", "alias/fox");
  await button("Remove plain.bin from the list");
  await (await page.$("#files")).uploadFile(other);
  await button("Decrypt and save");
  await said("Decrypted as other");

  await view("Audit log");
  await page.waitForSelector("tbody tr");
  const log = await page.$$eval("tbody tr", (rows) => rows.map((row) => row.textContent));
  assert.ok(
    log.some((row) => /GenerateDataKey.*console/.test(row)),
    log.join("\n"),
  );
  assert.ok(log.some((row) => row.includes("CreateAlias")));
  const { refused } = await page.evaluate(() => window.watched);
  assert.deepEqual([faults, refused], [[], []]);
});
