/** Encrypting, decrypting and signing in the page, in Chromium. */

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

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const file = (name, buffer) => ({ name, mimeType: "application/octet-stream", buffer });

async function begin(options) {
  const page = await open(browser, server, options);
  await signIn(page, token);
  return page;
}

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
