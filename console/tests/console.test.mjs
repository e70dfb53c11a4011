/** The page, its sessions, keys, secrets and log, in Chromium. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";

import { after, before, test } from "node:test";

import { addPair, close, createKey, go, launch, open, refusal, signIn } from "./pages.mjs";
import { ConsoleServer } from "./support.mjs";

let server;
let browser;
let token;
before(async () => {
  server = await ConsoleServer.start();
  browser = await launch();
  token = await server.token();
  await server.keyfold("key", "create", "--alias", "alias/docs");
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function begin(options) {
  const page = await open(browser, server, options);
  await signIn(page, token);
  return page;
}

test("the page and its parts are tied to what was built", async () => {
  const page = await (await fetch(server.console)).text();
  const tags = page.match(/<(?:script|link rel="stylesheet")[^>]*>/g);
  assert.equal(tags.length, 2);
  for (const tag of tags) {
    const [, name] = /(?:src|href)="\.\/([^"]+)"/.exec(tag);
    const response = await fetch(new URL(name, server.console));
    assert.match(response.headers.get("cache-control"), /immutable/);
    const body = Buffer.from(await response.arrayBuffer());
    const hash = createHash("sha384").update(body).digest("base64");
    assert.ok(tag.includes(`integrity="sha384-${hash}"`), tag);
  }
  assert.doesNotMatch(page, /<style|style=|\son\w+=|<script(?![^>]*\bsrc=)/);
});

test("only a token that the server takes signs in, and it is kept only where asked", async () => {
  const page = await open(browser, server);
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1");
  await page.getByLabel("Token").fill("not a token");
  await page.getByRole("button", { name: "Sign in" }).click();
  assert.equal(await refusal(page), "UnrecognizedClientException");

  await signIn(page, `Bearer ${token}`);
  const kept = () =>
    page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.equal(await kept(), "[{},{}]");
  assert.equal(await page.evaluate(() => document.cookie), "");
  await page.reload();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();

  await page.getByRole("checkbox").check();
  await signIn(page, token);
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Keys" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(await kept(), "[{},{}]");
  assert.ok(!page.url().includes(token));
  await close(page);
});

test("a token that may little signs in all the same, and is told what it may not", async () => {
  const page = await open(browser, server);
  const little = await server.token("--allow", "kms:Decrypt");
  await page.getByLabel("Token").fill(little);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { level: 1, name: "Keys" }).waitFor();
  assert.equal(await refusal(page), "AccessDeniedException");
  await go(page, "Audit log");
  assert.equal(await refusal(page), "AccessDeniedException");
  await close(page);
});

test("a key from its making to its end", async () => {
  const page = await begin();
  const id = await createKey(page, "alias/life");
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1");

  const versions = page.getByRole("region", { name: "Versions" }).locator("tbody tr");
  await page.getByRole("button", { name: "Rotate now" }).click();
  await versions.nth(1).waitFor();
  await page.getByRole("button", { name: "Turn on" }).click();
  await page.getByText("Every 365 days").waitFor();
  await page.getByRole("button", { name: "Turn off" }).click();
  await page.getByText("Not by itself").waitFor();

  await page.getByLabel("New alias").fill("other-name");
  await page.getByRole("button", { name: "Add" }).click();
  await page.getByRole("button", { name: "Remove alias/other-name" }).click();
  await page
    .getByRole("button", { name: "Remove alias/other-name" })
    .waitFor({ state: "detached" });

  await page.getByRole("button", { name: "Disable" }).click();
  await page.getByRole("button", { name: "Enable" }).click();
  await page.getByRole("button", { name: "Disable" }).waitFor();

  await page.getByRole("button", { name: "Schedule deletion …" }).click();
  const dialog = page.getByRole("dialog");
  const end = dialog.getByRole("button", { name: "Schedule the deletion" });
  assert.match(await dialog.textContent(), /lost for good/);
  assert.ok(await end.isDisabled());
  await dialog.getByLabel(/^Type/).fill("alias/lif");
  assert.ok(await end.isDisabled());
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal(
    await page.evaluate(() => document.activeElement.textContent),
    "Schedule deletion …",
    "the focus is where it was",
  );
  await page.getByRole("button", { name: "Schedule deletion …" }).click();
  await dialog.getByLabel("Days until the key is destroyed").fill("7");
  await dialog.getByLabel(/^Type/).fill("alias/life");
  await end.click();
  await page.getByText("This key ends on").waitFor();
  assert.equal(
    JSON.parse(await server.keyfold("key", "describe", "alias/life", "--json")).KeyState,
    "PendingDeletion",
  );
  await page.getByRole("button", { name: "Cancel the deletion" }).click();
  await page.getByRole("button", { name: "Enable" }).waitFor();
  await close(page);
});

test("a name that is taken is told, and the key is not made twice", async () => {
  const page = await begin();
  await page.getByRole("link", { name: "Create a key" }).click();
  await page.getByLabel("Alias").fill("docs");
  await page.getByLabel("Description (optional)").fill("made once");
  await page.getByRole("button", { name: "Create the key" }).click();
  assert.equal(await refusal(page), "AlreadyExistsException");
  await page.getByLabel("Alias").fill("docs-2");
  await page.getByRole("button", { name: "Name the key" }).click();
  await page.getByRole("heading", { level: 1, name: "alias/docs-2" }).waitFor();
  await go(page, "Keys");
  await page.getByText("made once").waitFor();
  assert.equal(await page.getByText("made once").count(), 1);
  await close(page);
});

test("a secret is seen when somebody asks, and hidden again", async () => {
  const page = await begin();
  await go(page, "Safe");
  await page.getByText("No secret yet").waitFor();
  await page.getByRole("link", { name: "Store a secret" }).click();
  await page.getByLabel("Name").fill("db/password");
  await page.getByLabel("Value").fill("correct horse");
  await page.getByRole("button", { name: "Store the secret" }).click();
  await page.getByRole("heading", { level: 1, name: "db/password" }).waitFor();
  await page.getByRole("button", { name: "Reveal the value", exact: true }).waitFor();
  assert.ok(!(await page.content()).includes("correct horse"));
  await page.getByRole("button", { name: "Reveal the value", exact: true }).click();
  await page.getByText("correct horse").waitFor();
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "correct horse");
  await page.getByRole("button", { name: "Hide" }).click();
  assert.ok(!(await page.content()).includes("correct horse"));

  await page.getByRole("button", { name: "Store a new value …" }).click();
  await page.getByRole("button", { name: "Make a password" }).click();
  await page.waitForFunction(
    () => document.querySelector("input[type=password]").value.length === 24,
  );
  await page.getByLabel("Value", { exact: true }).fill("battery staple");
  await page.getByRole("button", { name: "Store", exact: true }).click();
  await page.getByText("AWSPREVIOUS").waitFor();
  assert.equal(await server.keyfold("secret", "get", "db/password"), "battery staple");
  const previous = page.getByRole("row").filter({ hasText: "AWSPREVIOUS" });
  await previous.getByRole("button", { name: /^Reveal/ }).click();
  await page.getByText("correct horse").waitFor();

  await page.getByRole("button", { name: "Delete …" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/^Type/).fill("db/password");
  await dialog.getByRole("button", { name: "Schedule the deletion" }).click();
  await page.getByText("This secret ends on").waitFor();
  await page.getByRole("button", { name: "Restore" }).click();
  await page.getByRole("button", { name: "Delete …" }).waitFor();
  await close(page);
});

test("the audit log tells of what was done, and is searched", async () => {
  for (let turn = 0; turn < 100; turn += 1) {
    assert.equal(await server.call(token, "TrentService.ListKeys"), 200);
  }
  const page = await begin();
  const id = await createKey(page, "alias/audited");
  await go(page, "Audit log");
  const rows = page.getByRole("region", { name: "Audit records" }).locator("tbody tr");
  await rows.first().waitFor();
  await page.getByLabel("Only records with").fill(`createkey ${id}`);
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
  const row = await rows.first().textContent();
  assert.match(row, /CreateKey.*console.*ok/s);
  await rows.first().getByRole("button", { name: "CreateKey" }).click();
  await page.getByText("requestId").first().waitFor();
  await page.getByLabel("Only records with").fill("nothing of that kind");
  await page.getByText("No such record").waitFor();

  await page.getByLabel("Only records with").fill("");
  const before = await rows.count();
  assert.equal(before, 100);
  await page.getByRole("button", { name: "Load older ones" }).click();
  await page.waitForFunction(
    (before) => document.querySelectorAll("tbody tr").length > before,
    before,
  );
  const numbers = await rows.evaluateAll((rows) =>
    rows.map((row) => Number(row.cells[0].textContent.replaceAll(",", ""))),
  );
  assert.ok(numbers.every((number, index) => index === 0 || number === numbers[index - 1] - 1));
  await close(page);
});

test("a session that ends goes on with another token, with nothing lost", async () => {
  const page = await open(browser, server);
  await signIn(page, token);
  await go(page, "Small data");
  await page.getByLabel("Text", { exact: true }).fill("typed before");
  await page.getByLabel("Key").fill("alias/docs");
  await page.getByRole("radio", { name: /the server/ }).check();
  await addPair(page, "tenant", "acme");

  // From now on the server takes that token no more.
  const another = await server.token("--subject", "somebody-else");
  await page.route(`${server.url}/`, (route) => {
    if (route.request().headers()["authorization"] !== `Bearer ${token}`) return route.continue();
    return route.fulfill({
      status: 400,
      contentType: "application/x-amz-json-1.1",
      body: JSON.stringify({ __type: "ExpiredTokenException", message: "the token has expired" }),
    });
  });
  const again = async () => {
    const dialog = page.getByRole("dialog", { name: "Your session has ended" });
    await dialog.waitFor();
    // Nobody loses by a key what they have typed.
    for (let turn = 0; turn < 3; turn += 1) await page.keyboard.press("Escape");
    await dialog.getByLabel("Token").fill("wrong");
    await dialog.getByRole("button", { name: "Go on" }).click();
    assert.equal(
      await dialog.getByRole("alert").locator("code").first().textContent(),
      "UnrecognizedClientException",
    );
    await dialog.getByLabel("Token").fill(another);
    await dialog.getByRole("button", { name: "Go on" }).click();
    await dialog.waitFor({ state: "detached" });
  };
  await page.getByRole("button", { name: "Encrypt", exact: true }).click();
  await again();
  // What was begun is done, with what was typed.
  await page.getByRole("button", { name: "Copy" }).waitFor();
  assert.equal(await page.getByLabel("Text", { exact: true }).inputValue(), "typed before");
  assert.equal(await page.getByLabel("Value of pair 1").inputValue(), "acme");
  await page.getByText("somebody-else").waitFor();
  await close(page);
});

test("a session that is over by the clock asks before it calls", async () => {
  const page = await open(browser, server);
  const short = await server.token("--expires", "3s");
  await signIn(page, short);
  await page.waitForTimeout(3500);
  await page.getByRole("navigation").getByRole("link", { name: "Safe" }).click();
  const dialog = page.getByRole("dialog", { name: "Your session has ended" });
  await dialog.getByLabel("Token").fill(token);
  await dialog.getByRole("button", { name: "Go on" }).click();
  await page.getByRole("link", { name: "db/password" }).waitFor();
  await close(page);
});

test("a server that does not answer is told of", async () => {
  const page = await begin();
  await page.route(`${server.url}/`, (route) => route.abort("connectionrefused"));
  await go(page, "Safe");
  assert.equal(await refusal(page), "Unreachable");
  page.faults = page.faults.filter((fault) => !fault.includes("ERR_CONNECTION_REFUSED"));
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test("everything can be reached with the keyboard", async () => {
  const page = await open(browser, server);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.type(token);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Keys" }).waitFor();
  const focused = () =>
    page.evaluate(() => {
      const { activeElement: element } = document;
      return (element.getAttribute("aria-label") ?? element.textContent).trim();
    });
  assert.equal(await focused(), "Keys", "the heading of where one came to");
  await page.getByRole("link", { name: "keyfold" }).focus();
  await page.keyboard.press("Shift+Tab");
  assert.equal(await focused(), "To the content");
  const seen = [];
  for (let turn = 0; turn < 13; turn += 1) {
    await page.keyboard.press("Tab");
    seen.push(await focused());
    const outline = await page.evaluate(
      () => getComputedStyle(document.activeElement).outlineStyle,
    );
    assert.notEqual(outline, "none", `the focus is seen on ${seen.at(-1)}`);
  }
  assert.deepEqual(seen, [
    "keyfold",
    "Colours",
    "Sign out",
    "Keys",
    "Small data",
    "Files",
    "Range",
    "Inspect",
    "Sign and verify",
    "Safe",
    "Audit log",
    "Create a key",
    "Keys",
  ]);
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Create a key" }).waitFor();
  assert.equal(await focused(), "Create a key");
  await close(page);
});
