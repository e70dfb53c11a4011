/** The console end to end, in Chromium. */

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { open as openFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import {
  NO_PICKER,
  PICKER,
  addPair,
  close,
  createKey,
  go,
  launch,
  open,
  refusal,
  saved,
  signIn,
} from "./pages.mjs";
import { Server } from "./support.mjs";

let server;
let browser;
let token;
before(async () => {
  server = await Server.start();
  browser = await launch();
  token = await server.token();
  await server.keyfold("key", "create", "--alias", "alias/docs");
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const file = (name, buffer) => ({ name, mimeType: "application/octet-stream", buffer });

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
  await dialog.getByLabel("Days until it is destroyed").fill("7");
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

test("small data goes there and back, here and at the server, under its context only", async () => {
  const page = await begin();
  for (const by of [/this page/, /the server/]) {
    // Coming back, the form is empty.
    await go(page, "Keys");
    await go(page, "Small data");
    await page.getByLabel("Text", { exact: true }).fill("Grüße, 世界");
    await page.getByLabel("Key").fill("docs");
    await page.getByRole("radio", { name: by }).check();
    await addPair(page, "tenant", "acme");
    await page.getByRole("button", { name: "Encrypt", exact: true }).click();
    const sealed = page.getByLabel("Encrypted, in base64");
    await page.getByRole("button", { name: "Copy" }).waitFor();
    const text = await sealed.inputValue();

    await page.getByRole("radio", { name: "Decrypt" }).check();
    await sealed.fill(text);
    await page.getByRole("button", { name: "Decrypt", exact: true }).click();
    const code = await refusal(page);
    assert.ok(["context_mismatch", "kms_denied", "authentication_failed"].includes(code), code);
    await addPair(page, "tenant", "acme");
    await page.getByRole("button", { name: "Decrypt", exact: true }).click();
    const plain = page.getByLabel("Decrypted", { exact: true });
    await page.getByRole("button", { name: "Clear" }).waitFor();
    assert.equal(await plain.inputValue(), "Grüße, 世界");
    await page.getByRole("button", { name: "Clear" }).click();
    assert.equal(await plain.inputValue(), "");
  }
  await close(page);
});

test("files stream to the disk and back, and the command line reads them", async () => {
  const page = await begin({ init: PICKER });
  await go(page, "Files");
  const bytes = randomBytes(24 * 1024 * 1024 + 7);
  await page.getByLabel("Choose files").setInputFiles(file("report.bin", bytes));
  await page.getByText("Name a key to encrypt it under.").waitFor();
  await page.getByLabel("Key", { exact: true }).fill("alias/docs");
  await addPair(page, "file", "report");
  await page.getByRole("button", { name: "Encrypt and save as …" }).click();
  await page.getByText("Encrypted as report.bin.kf").waitFor();
  const sealed = await saved(page, "report.bin.kf");
  assert.ok(sealed.size > bytes.length);

  // Out of the page, to decrypt it elsewhere and here.
  const content = await page.evaluate(async () => {
    const folder = await navigator.storage.getDirectory();
    const handle = await folder.getFileHandle("report.bin.kf");
    const blob = await handle.getFile();
    return new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result.split(",")[1]);
      reader.readAsDataURL(blob);
    });
  });
  const path = join(server.home, "report.bin.kf");
  await writeFile(path, Buffer.from(content, "base64"));
  const out = join(server.home, "report.out");
  await server.keyfold("decrypt", path, "--output", out, "--context", "file=report");
  assert.equal(sha256(await readFile(out)), sha256(bytes));

  await page.getByRole("button", { name: "Remove report.bin from the list" }).click();
  await page.getByLabel("Choose files").setInputFiles(path);
  await page.getByRole("button", { name: "Decrypt and save as …" }).click();
  await page.getByText("Decrypted as report.bin").waitFor();
  assert.deepEqual(await saved(page, "report.bin"), { size: bytes.length, sha256: sha256(bytes) });
  await close(page);
});

test("what is dropped is taken like what is chosen", async () => {
  const page = await begin({ init: PICKER });
  await go(page, "Files");
  const dropped = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File(["dropped"], "dropped.txt"));
    return data;
  });
  const zone = page.locator(".drop");
  await zone.dispatchEvent("dragover", { dataTransfer: dropped });
  await zone.dispatchEvent("drop", { dataTransfer: dropped });
  await page.getByLabel("Key", { exact: true }).fill("alias/docs");
  await page.getByRole("button", { name: "Encrypt and save as …" }).click();
  await page.getByText("Encrypted as dropped.txt.kf").waitFor();
  assert.ok((await saved(page, "dropped.txt.kf")).size > 7);
  await close(page);
});

test("what was changed is not saved, and what is cancelled neither", async () => {
  const page = await begin({ init: PICKER });
  const plain = join(server.home, "plain.bin");
  const sealed = join(server.home, "plain.bin.kf");
  await writeFile(plain, randomBytes(200_000));
  await server.keyfold("encrypt", plain, "--output", sealed, "--key", "alias/docs");
  const bytes = await readFile(sealed);
  bytes[bytes.length - 100] ^= 1;
  await go(page, "Files");
  await page
    .getByLabel("Choose files")
    .setInputFiles([file("changed.kf", bytes), file("cut.kf", bytes.subarray(0, 100_000))]);
  const rows = page.getByRole("listitem").filter({ has: page.getByRole("progressbar") });
  for (const index of [0, 1]) {
    const row = rows.nth(index);
    await row.getByRole("button", { name: "Decrypt and save as …" }).click();
    const code = await row.getByRole("alert").locator("code").first().textContent();
    assert.equal(code, "authentication_failed");
  }
  assert.deepEqual([(await saved(page, "changed")).size, (await saved(page, "cut")).size], [0, 0]);
  for (const name of ["changed.kf", "cut.kf"]) {
    await page.getByRole("button", { name: `Remove ${name} from the list` }).click();
  }

  // Large enough that somebody can change their mind; a file with holes takes no room.
  const large = join(server.home, "large.bin");
  const handle = await openFile(large, "w");
  await handle.truncate(3 * 1024 ** 3);
  await handle.close();
  await page.getByLabel("Key", { exact: true }).fill("alias/docs");
  await page.getByLabel("Choose files").setInputFiles(large);
  await page.getByRole("button", { name: "Encrypt and save as …" }).click();
  await page.getByText(/^[1-9]\d* %, .*B\/s$/).waitFor();
  // It goes on while somebody looks elsewhere.
  await go(page, "Keys");
  await go(page, "Files");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText("Cancelled; nothing was saved.").waitFor();
  assert.equal((await saved(page, "large.bin.kf")).size, 0);
  await close(page);
});

test("a signed file opens for those who demand its signature, and only under its key", async () => {
  const page = await begin({ init: PICKER });
  for (const alias of ["alias/signer", "alias/another-signer"]) {
    await server.keyfold("key", "create", "--alias", alias, "--spec", "ECC_NIST_P256");
  }
  await go(page, "Files");
  const signer = page.getByLabel("Signer (optional)");
  await page.getByLabel("Key", { exact: true }).fill("alias/docs");
  await signer.fill("alias/signer");
  await page.getByLabel("Choose files").setInputFiles(file("deed.txt", Buffer.from("a deed")));
  await page.getByRole("button", { name: "Encrypt and save as …" }).click();
  await page.getByText("Encrypted as deed.txt.kf").waitFor();
  const sealed = Buffer.from(
    await page.evaluate(async () => {
      const folder = await navigator.storage.getDirectory();
      const file = await (await folder.getFileHandle("deed.txt.kf")).getFile();
      return [...new Uint8Array(await file.arrayBuffer())];
    }),
  );
  await page.getByRole("button", { name: "Remove deed.txt from the list" }).click();
  await page.getByLabel("Choose files").setInputFiles(file("deed.txt.kf", sealed));
  const decrypt = page.getByRole("button", { name: "Decrypt and save as …" });
  await signer.fill("");
  await page.getByText("It is signed: name the signer").waitFor();
  assert.ok(await decrypt.isDisabled());
  await signer.fill("alias/another-signer");
  await decrypt.click();
  assert.equal(await refusal(page), "signature_invalid");
  assert.equal((await saved(page, "deed.txt")).size, 0);
  await signer.fill("alias/signer");
  await decrypt.click();
  await page.getByText("Decrypted as deed.txt").waitFor();
  assert.equal((await saved(page, "deed.txt")).sha256, sha256("a deed"));
  await close(page);
});

test("without a stream to the disk it says so, and saves from memory", async () => {
  const page = await begin({ init: NO_PICKER });
  await go(page, "Files");
  await page.getByText("files may have up to 1.0 GiB").waitFor();
  const bytes = randomBytes(3_000_000);
  const large = join(server.home, "too-large.bin");
  const handle = await openFile(large, "w");
  await handle.truncate(1024 ** 3 + 1);
  await handle.close();
  await page.getByLabel("Key", { exact: true }).fill("alias/docs");
  await page.getByLabel("Choose files").setInputFiles(large);
  await page.getByText("Too large for this browser.").waitFor();
  assert.ok(await page.getByRole("button", { name: "Encrypt and save" }).isDisabled());
  await page.getByRole("button", { name: "Remove too-large.bin from the list" }).click();

  await page.getByLabel("Choose files").setInputFiles(file("a.bin", bytes));
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Encrypt and save" }).click(),
  ]);
  assert.equal(download.suggestedFilename(), "a.bin.kf");
  const path = await download.path();
  const out = join(server.home, "a.out");
  await server.keyfold("decrypt", path, "--output", out);
  assert.equal(sha256(await readFile(out)), sha256(bytes));
  await close(page);
});

test("a part of an envelope, from a file and from an address", async () => {
  const page = await begin();
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
  const plain = join(server.home, "range.bin");
  const sealed = join(server.home, "range.bin.kf");
  await writeFile(plain, bytes);
  await server.keyfold("encrypt", plain, "--output", sealed, "--key", "alias/docs");
  const whole = await readFile(sealed);

  await go(page, "Range");
  await page.getByLabel("Envelope").setInputFiles(sealed);
  await page.getByLabel("From byte").fill("70000");
  await page.getByLabel("Up to byte").fill("70016");
  await page.getByRole("button", { name: "Read" }).click();
  await page.getByRole("heading", { name: "16 bytes from 70,000 on, of 100,000" }).waitFor();
  const expected = [...bytes.subarray(70_000, 70_016)].map((byte) =>
    byte.toString(16).padStart(2, "0"),
  );
  const shown = () => page.getByLabel("The part").textContent();
  assert.match(await shown(), new RegExp(`^00011170  ${expected.join(" ")}  `));

  // The server has no files of users: one stands in for what a proxy would serve beside it.
  const asked = [];
  await page.route("**/objects/range.kf", (route) => {
    const range = /^bytes=(\d+)-(\d+)$/.exec(route.request().headers()["range"] ?? "");
    asked.push(range?.[0]);
    if (!range) return route.fulfill({ status: 200, body: whole });
    const [from, to] = [Number(range[1]), Math.min(Number(range[2]), whole.length - 1)];
    return route.fulfill({
      status: 206,
      headers: { "content-range": `bytes ${from}-${to}/${whole.length}`, etag: '"1"' },
      body: whole.subarray(from, to + 1),
    });
  });
  await page.getByRole("radio", { name: "an address of this server" }).check();
  await page.getByLabel("Address", { exact: true }).fill("/objects/range.kf");
  await page.getByRole("button", { name: "Read" }).click();
  await page.getByRole("heading", { name: "16 bytes from 70,000 on, of 100,000" }).waitFor();
  assert.match(await shown(), new RegExp(`^00011170  ${expected.join(" ")}  `));
  assert.ok(asked.length > 0 && asked.every(Boolean), `ranges alone: ${asked}`);
  await page.getByLabel("Address", { exact: true }).fill("https://elsewhere.example/x.kf");
  await page.getByRole("button", { name: "Read" }).click();
  assert.equal(await refusal(page), "invalid_argument");
  await close(page);
});

test("the picture of an envelope has all its bytes", async () => {
  const page = await begin();
  await server.keyfold(
    "key",
    "create",
    "--alias",
    "alias/inspect-signs",
    "--spec",
    "ECC_NIST_P256",
  );
  const plain = join(server.home, "inspect.bin");
  const sealed = join(server.home, "inspect.bin.kf");
  await writeFile(plain, randomBytes(100_000));
  await server.keyfold(
    "encrypt",
    plain,
    "--output",
    sealed,
    "--key",
    "alias/docs",
    "--context",
    "tenant=acme",
    "--sign-with",
    "alias/inspect-signs",
  );
  const whole = await readFile(sealed);
  await go(page, "Inspect");
  await page.getByLabel("An envelope in a file").setInputFiles(sealed);
  await page.getByRole("heading", { name: "inspect.bin.kf" }).waitFor();
  await page.getByText("100,000 bytes in 7 segments").waitFor();
  const parts = page.getByRole("region", { name: "Parts of the envelope" }).locator("tbody tr");
  const rows = await parts.evaluateAll((rows) =>
    rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim().replaceAll(",", ""))),
  );
  assert.deepEqual(
    rows.map(([name]) => name),
    [
      "Stable part",
      "Recipients",
      "Salt",
      "Commitment",
      "Segments 1 to 6",
      "Segment 7",
      "Signature",
    ],
  );
  let offset = 0;
  for (const [name, from, length] of rows) {
    assert.equal(Number(from), offset, name);
    offset += Number(length);
  }
  assert.equal(offset, whole.length);
  const bar = page.getByRole("img", { name: /The whole envelope/ });
  const widths = await bar
    .locator("rect")
    .evaluateAll((boxes) => boxes.map((box) => box.width.baseVal.value));
  assert.equal(widths.length, 12);
  assert.ok(Math.abs(widths.reduce((sum, width) => sum + width, 0) - 1000) < 0.01);
  await page.getByText("tenant", { exact: true }).waitFor();

  await page.getByLabel("Or in base64").fill("AAAA");
  assert.equal(await refusal(page), "malformed_envelope");
  await page.getByLabel("Or in base64").fill(whole.toString("base64"));
  await page.getByRole("heading", { name: "The pasted envelope" }).waitFor();
  await close(page);
});

test("a signature holds for its message alone", async () => {
  const page = await begin();
  for (const kind of ["ECDSA P-256", "Ed25519", "RSA 2048", "ECDSA secp256k1"]) {
    const alias = `alias/sign-${kind.replaceAll(" ", "-")}`;
    await createKey(page, alias, { use: "Sign and verify", kind });
    await page.getByText("BEGIN PUBLIC KEY").waitFor();
    await go(page, "Sign and verify");
    await page.getByLabel("Key", { exact: true }).fill(alias);
    await page.getByLabel("Text", { exact: true }).fill("attack at dawn");
    await page.getByRole("button", { name: "Sign", exact: true }).click();
    await page.getByRole("button", { name: "Copy" }).waitFor();
    await page.getByRole("radio", { name: "Verify" }).check();
    const verify = page.getByRole("button", { name: "Verify", exact: true });
    await verify.click();
    await page.getByText("The signature holds").waitFor();
    await page.getByLabel("Text", { exact: true }).fill("attack at noon");
    await page.getByText("The answer appears here.").waitFor();
    await verify.click();
    await page.getByText("The signature does not hold").waitFor();
  }
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
  await dialog.getByRole("button", { name: "Delete the secret" }).click();
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
