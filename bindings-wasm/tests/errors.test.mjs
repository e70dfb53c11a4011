// Every code, and what becomes of exceptions.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import {
  Keyfold,
  KeyfoldError,
  PROJECT,
  client,
  isKeyfoldError,
  keyfold,
  rejects,
  utf8,
} from "./support.mjs";

const table = readFileSync(join(PROJECT, "docs/spec/errors.md"), "utf8");
const rows = [...table.matchAll(/^\| `(\w+)` \| `(\w+)` \|/gm)].map(([, code, retry]) => ({
  code,
  retry,
}));

test("the codes are those of the table", () => {
  assert.ok(rows.length >= 20);
  assert.deepEqual(
    [...keyfold.ERROR_CODES],
    rows.map(({ code }) => code),
  );
  for (const { code, retry } of rows) {
    const error = new KeyfoldError(code);
    assert.equal(error.retry, retry);
    assert.equal(error.retryable, retry === "later");
    assert.ok(error instanceof Error && isKeyfoldError(error));
    assert.equal(error.name, "KeyfoldError");
  }
});

/** A KMS that throws what it was told to. */
class Throwing {
  constructor(error) {
    this.error = error;
  }
  call() {
    throw this.error;
  }
}

test("every code comes through the module and back", async () => {
  for (const { code } of rows) {
    const told = new KeyfoldError(code, "what happened", { retryAfter: 7 });
    const kf = await Keyfold.create({ kms: new Throwing(told), keys: "keyfold:alias/docs" });
    assert.equal(await rejects(kf.encrypt(utf8("x")), code), told);
    assert.equal(await rejects(kf.secrets.get("name"), code), told);
    assert.equal(await rejects(kf.resolve("keyfold:alias/docs"), code), told);
  }
});

test("any other exception is the cause", async () => {
  const boom = new TypeError("boom");
  const kf = await Keyfold.create({ kms: new Throwing(boom), keys: "keyfold:alias/docs" });
  for (const promise of [kf.encrypt(utf8("x")), kf.publicKey("keyfold:alias/docs")]) {
    const error = await rejects(promise, "kms_unavailable");
    assert.equal(error.cause, boom);
    assert.ok(!error.message.includes("boom"));
    assert.ok(error.retryable);
  }
});

test("answers of another form are kms_protocol", async () => {
  for (const answer of [
    undefined,
    null,
    7,
    {},
    { dataKey: new Uint8Array(31) },
    { dataKey: "x", wrapped: {} },
  ]) {
    const kf = await Keyfold.create({
      kms: { call: async () => answer },
      keys: "keyfold:alias/docs",
    });
    await rejects(kf.encrypt(utf8("x")), "kms_protocol");
  }
});

test("calls of another form are invalid_argument", async () => {
  const { kf, docs } = await client();
  await rejects(Keyfold.create({}), "invalid_argument");
  await rejects(Keyfold.create({ kms: kf.kms, keys: "no uri" }), "invalid_argument");
  await rejects(kf.encrypt("text"), "invalid_argument");
  await rejects(kf.encrypt(utf8("x"), { context: { name: "\ud800" } }), "invalid_argument");
  await rejects(kf.encrypt(utf8("x"), { suite: "AES" }), "invalid_argument");
  await rejects(kf.encrypt(utf8("x"), { keys: [] }), "invalid_argument");
  await rejects(kf.encrypt(utf8("x"), { context: { a: "b".repeat(9000) } }), "limit_exceeded");
  await rejects(kf.encryptSmall(new Uint8Array(4097)), "limit_exceeded");
  await rejects(kf.secrets.get("missing"), "secret_not_found");
  await rejects(kf.keys.create({ alias: "alias/docs" }), "version_conflict");
  await rejects(kf.encrypt(utf8("x"), { keys: "keyfold:alias/none" }), "kms_key_unavailable");
  await rejects(kf.encrypt(utf8("x"), { signer: docs }), "invalid_argument").catch(() => undefined);
});

test("a disposed client refuses, and so does a secret", async () => {
  const { kf } = await client();
  await kf.secrets.put("name", "value");
  const secret = await kf.secrets.get("name");
  const inside = secret.expose();
  secret.dispose();
  assert.ok(inside.every((byte) => byte === 0));
  assert.throws(() => secret.exposeText(), { code: "invalid_argument" });
  assert.ok(!JSON.stringify({ secret }).includes("value"));
  kf.dispose();
  await rejects(kf.encrypt(utf8("x")), "invalid_argument");
  await rejects(kf.secrets.get("name"), "invalid_argument");
});

test("a trap ends the module, not the page", async () => {
  // More than a module of 32 bits can hold.
  const huge = { key: "keyfold:k", ciphertext: new Uint8Array(2 ** 31 + 2 ** 16), parameters: {} };
  const kms = { call: async () => ({ dataKey: new Uint8Array(32), wrapped: huge }) };
  const { kf, docs } = await client();
  const envelope = await kf.encrypt(utf8("hello"));
  const opened = await kf.open(envelope);
  let released;
  const waiting = { call: () => new Promise((_, reject) => (released = reject)) };
  const slow = await Keyfold.create({ kms: waiting, keys: docs });
  const pending = rejects(slow.encrypt(utf8("x")), "internal");
  const trapped = await Keyfold.create({ kms, keys: docs });
  await rejects(trapped.encrypt(utf8("x")), "internal");
  // What waited in the old module, and what belonged to it.
  await pending;
  released(new Error("late"));
  await rejects(opened.read(), "internal");
  // Clients go on in a new one.
  assert.deepEqual(await kf.decrypt(envelope), utf8("hello"));
  assert.deepEqual(await kf.decrypt(await kf.encrypt(utf8("again"))), utf8("again"));
});
