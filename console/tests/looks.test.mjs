/** Every view, light and dark, wide and narrow: what axe says, and pictures to look at. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { close, launch, open, refusal, signIn } from "./pages.mjs";
import { ConsoleServer } from "./support.mjs";
import { given } from "./web/server.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let server;
let browser;
let token;
let key;
before(async () => {
  server = await ConsoleServer.start();
  browser = await launch();
  token = await server.token();
  for (const [alias, ...options] of [
    ["alias/documents", "--description", "Contracts and invoices"],
    ["alias/releases", "--spec", "ECC_NIST_P256", "--description", "Signs what we ship"],
    ["alias/old"],
  ]) {
    await server.keyfold("key", "create", "--alias", alias, ...options);
  }
  key = JSON.parse(await server.keyfold("key", "describe", "alias/documents", "--json")).KeyId;
  await server.keyfold("key", "rotate", "alias/documents");
  await server.keyfold("key", "disable", "alias/old");
  const value = join(server.home, "value");
  await writeFile(value, "correct horse");
  await server.keyfold("secret", "put", "db/password", value);
  const plain = join(server.home, "report.pdf");
  await writeFile(plain, randomBytes(90_000));
  await server.keyfold(
    "encrypt",
    plain,
    "--output",
    `${plain}.kf`,
    "--key",
    "alias/documents",
    "--context",
    "tenant=acme",
    "--sign-with",
    "alias/releases",
  );
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Where a picture is taken, and what is done there before. */
const VIEWS = {
  keys: ["#/keys", (page) => page.getByRole("link", { name: /alias\/documents/ }).waitFor()],
  "keys-new": ["#/new-key"],
  key: [() => `#/keys/${key}`, (page) => page.getByText("Rotated on demand").waitFor()],
  "key-deletion": [
    () => `#/keys/${key}`,
    async (page) => {
      await page.getByRole("button", { name: "Schedule deletion …" }).click();
      await page.getByRole("dialog").waitFor();
    },
  ],
  "key-missing": ["#/keys/11111111-2222-4333-8444-555555555555", refusal],
  "data-encrypt": ["#/data", (page) => page.getByRole("button", { name: "Add a pair" }).click()],
  "data-decrypt": ["#/data", (page) => page.getByRole("radio", { name: "Decrypt" }).check()],
  files: [
    "#/files",
    (page) =>
      page
        .getByLabel("Choose files")
        .setInputFiles([join(server.home, "report.pdf"), join(server.home, "report.pdf.kf")]),
  ],
  range: [
    "#/range",
    async (page) => {
      await page.getByLabel("Envelope").setInputFiles(join(server.home, "report.pdf.kf"));
      await page.getByRole("button", { name: "Add a pair" }).click();
      await page.getByLabel("Name of pair 1").fill("tenant");
      await page.getByLabel("Value of pair 1").fill("acme");
      await page.getByLabel("Up to byte").fill("256");
      await page.getByRole("button", { name: "Read" }).click();
      await page.getByLabel("The part").waitFor();
    },
  ],
  inspect: [
    "#/inspect",
    async (page) => {
      await page
        .getByLabel("An envelope in a file")
        .setInputFiles(join(server.home, "report.pdf.kf"));
      await page.getByRole("heading", { name: "report.pdf.kf" }).waitFor();
    },
  ],
  sign: ["#/sign"],
  verify: ["#/sign", (page) => page.getByRole("radio", { name: "Verify" }).check()],
  safe: ["#/safe", (page) => page.getByRole("link", { name: "db/password" }).waitFor()],
  "safe-new": ["#/new-secret"],
  secret: [
    "#/safe/db%2Fpassword",
    async (page) => {
      await page.getByRole("button", { name: "Reveal the value", exact: true }).click();
      await page.getByText("correct horse").waitFor();
    },
  ],
  audit: [
    "#/audit",
    async (page) => {
      await page.locator("button.toggle").first().click();
      await page.getByText("requestId").first().waitFor();
    },
  ],
};

const LOOKS = [
  ["light", 1400, 900],
  ["dark", 1400, 900],
  ["light", 360, 740],
  ["dark", 360, 740],
];

/** What axe finds that keeps somebody out. */
async function barriers(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
}

for (const [colorScheme, width, height] of LOOKS) {
  test(`${colorScheme}, ${width} wide`, async () => {
    const page = await open(browser, server, { colorScheme, viewport: { width, height } });
    let seen = 0;
    const look = async (name) => {
      // What fades in has its colours.
      await page.waitForTimeout(250);
      const path = join(given("KEYFOLD_SCREENSHOTS"), `${name}-${colorScheme}-${width}.png`);
      await page.screenshot({ path, fullPage: true });
      assert.deepEqual(await barriers(page), [], name);
      const wide = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.ok(wide <= 0, `${name} is ${wide} wider than the window`);
      seen += 1;
    };
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await look("sign-in");
    await signIn(page, token);
    for (const [name, [place, prepare]] of Object.entries(VIEWS)) {
      // From elsewhere, so that each view is as new.
      await page.evaluate(() => (location.hash = "#/sign"));
      await page.getByRole("heading", { level: 1, name: "Sign and verify" }).waitFor();
      if (!["sign", "verify"].includes(name)) {
        const hash = typeof place === "function" ? place() : place;
        await page.evaluate((hash) => (location.hash = hash), hash);
        await page
          .getByRole("heading", { level: 1, name: "Sign and verify" })
          .waitFor({ state: "detached" });
      }
      await prepare?.(page);
      await look(name);
      if (name === "key-deletion") await page.keyboard.press("Escape");
    }
    assert.equal(seen, Object.keys(VIEWS).length + 1);
    await close(page);
  });
}

test("colours are chosen, and stay", async () => {
  const page = await open(browser, server, { colorScheme: "light" });
  const ground = () =>
    page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.getByLabel("Colours").selectOption("dark");
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  assert.equal(await ground(), dark);
  await page.getByLabel("Colours").selectOption("system");
  assert.equal(await ground(), light);
  await close(page);
});
