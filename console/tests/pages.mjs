/** Pages of Chromium that are watched, and what every test does with them. */

import assert from "node:assert/strict";

import { MAX_SHIFT, WATCH } from "./support.mjs";
import { chromium } from "./web/browsers.mjs";
import { given } from "./web/server.mjs";

export const launch = () => chromium(given("KEYFOLD_CHROMIUM"));

/** What the browser itself writes for each refusal of the server; refusals are tested by name. */
const REFUSAL = /^Failed to load resource: the server responded with a status of 4\d\d/;

/** Opens the console in a context of its own, and looks that it keeps its bounds. */
export async function open(browser, server, { init, ...options } = {}) {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  await context.addInitScript(WATCH);
  if (init) await context.addInitScript(init);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const faults = [];
  page.on("console", (message) => {
    const text = message.text();
    if (["error", "warning"].includes(message.type()) && !REFUSAL.test(text)) faults.push(text);
  });
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== server.url && protocol !== "blob:") faults.push(`asks ${request.url()}`);
  });
  page.faults = faults;
  await page.goto(server.console);
  return page;
}

/** Signs in. */
export async function signIn(page, token) {
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation", { name: "Views" }).waitFor();
}

/** Goes to a view as somebody does who clicks. */
export async function go(page, name) {
  await page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
  await page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
}

/** Closes a page, and tells what was wrong with it. */
export async function close(page) {
  const watched = await page.evaluate(() => window.watched);
  await page.context().close();
  assert.deepEqual(page.faults, []);
  assert.deepEqual(watched.refused, [], "refused by the policy");
  assert.ok(watched.shift <= MAX_SHIFT, `the page moves by itself: ${watched.shift}`);
}

/** What the page says went wrong: the code of the error. */
export async function refusal(page) {
  return page.getByRole("alert").locator("code").first().textContent();
}

/** Makes a key with an alias, by the form; answers its id. */
export async function createKey(page, alias, { use, kind } = {}) {
  await go(page, "Keys");
  await page.getByRole("link", { name: "Create a key" }).click();
  await page.getByLabel("Alias").fill(alias);
  if (use) await page.getByRole("radio", { name: use }).check();
  if (kind) await page.getByLabel("Kind").selectOption({ label: kind });
  await page.getByRole("button", { name: "Create the key" }).click();
  await page.getByRole("heading", { level: 1, name: alias }).waitFor();
  return decodeURIComponent(new URL(page.url()).hash.split("/").at(-1));
}

/** Adds a pair of an encryption context. */
export async function addPair(page, name, value) {
  await page.getByRole("button", { name: "Add a pair" }).click();
  await page
    .getByLabel(/^Name of pair/)
    .last()
    .fill(name);
  await page
    .getByLabel(/^Value of pair/)
    .last()
    .fill(value);
}

/**
 * A stand-in for the dialog that asks where to save, which no test can answer: a file in the
 * page's own part of the disk, written to by the same stream.
 */
export const PICKER = `
  window.showSaveFilePicker = async ({ suggestedName }) => {
    const folder = await navigator.storage.getDirectory();
    return folder.getFileHandle(suggestedName, { create: true });
  };
`;
export const NO_PICKER = `delete window.showSaveFilePicker;`;

/** Size and SHA-256 of a file that was saved so. */
export function saved(page, name) {
  return page.evaluate(async (name) => {
    const folder = await navigator.storage.getDirectory();
    const file = await (await folder.getFileHandle(name)).getFile();
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    const hex = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0"));
    return { size: file.size, sha256: hex.join("") };
  }, name);
}
