// keyfold's own server and the command line, over the same keys.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { promisify } from "node:util";
import { Keyfold, KeyfoldError, bytes, keyfold, rejects, remote, same, utf8 } from "./support.mjs";

const COMMAND = process.env.KEYFOLD_COMMAND;
if (!COMMAND) throw new Error("KEYFOLD_COMMAND does not name the command keyfold");

const home = mkdtempSync(join(tmpdir(), "keyfold-node-"));
const env = { ...process.env, KEYFOLD_HOME: home };
const run = promisify(execFile);
const keyfoldJson = async (...words) =>
  JSON.parse((await run(COMMAND, [...words, "--json"], { env })).stdout);
let process_;
let url;
let credentials;

before(async () => {
  await keyfoldJson("init");
  const made = await keyfoldJson("access-key", "create");
  credentials = { id: made.access_key_id, secret: made.secret_access_key };
  process_ = spawn(COMMAND, ["serve", "--listen", "127.0.0.1:0"], {
    env,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const line = await new Promise((resolve) =>
    process_.stdout.once("data", (data) => resolve(String(data))),
  );
  url = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(line)[1];
  process_.stdout.resume();
});

after(async () => {
  const ended = new Promise((resolve) => process_.once("exit", resolve));
  process_.kill();
  assert.equal(await ended, 0);
  rmSync(home, { recursive: true });
});

test("all tasks over the network", async () => {
  const kms = remote({ url, credentials });
  const admin = new keyfold.KeyAdmin(kms);
  const docs = await admin.create({ alias: "alias/docs", description: "documents" });
  const kf = await Keyfold.create({ kms, keys: "keyfold:alias/docs", context: { tenant: "acme" } });
  const data = bytes(40_000);
  const envelope = await kf.encrypt(data);
  same(await kf.decrypt(envelope), data);
  assert.equal(kf.cacheStats.misses, 2);
  const other = await kf.keys.create({ alias: "alias/other" });
  const moved = await kf.rewrap(envelope, { to: [other, docs] });
  same(await kf.decrypt(moved, { keys: other }), data);
  const signer = await kf.keys.create({ spec: "ECC_NIST_P256" });
  await (await kf.publicKey(signer)).verify(data, await kf.sign(data, { key: signer }));
  const version = await kf.secrets.put("db/password", "correct horse");
  assert.equal((await kf.secrets.get("db/password")).version, version);
  same(await kf.decryptSmall(await kf.encryptSmall(utf8("small"))), utf8("small"));
  await kf.keys.rotate(docs);
  assert.ok((await kf.keys.list()).includes(docs));
  await rejects(kf.secrets.get("missing"), "secret_not_found");
});

test("whoever may nothing is refused", async () => {
  const stranger = await keyfoldJson(
    "access-key",
    "create",
    "--user",
    "stranger",
    "--allow-nothing",
  );
  const theirs = { id: stranger.access_key_id, secret: stranger.secret_access_key };
  await rejects(new keyfold.KeyAdmin(remote({ url, credentials: theirs })).create(), "kms_denied");
  const wrong = { id: "KFAAAAAAAAAAAAAAAAAA", secret: "wrong" };
  await rejects(new keyfold.KeyAdmin(remote({ url, credentials: wrong })).list(), "kms_denied");
  await rejects(new keyfold.KeyAdmin(remote({ url, token: "no.such.token" })).list(), "kms_denied");
});

test("a server that is not there is kms_unavailable", async () => {
  const kms = remote({ url: "http://127.0.0.1:1", credentials, retries: 1 });
  const error = await rejects(new keyfold.KeyAdmin(kms).list(), "kms_unavailable");
  assert.ok(error instanceof KeyfoldError && error.retryable);
});

test("the command line opens what is written here, and the other way round", async () => {
  const kms = remote({ url, credentials });
  const key = await new keyfold.KeyAdmin(kms).create({ alias: "alias/cross" });
  const kf = await Keyfold.create({ kms, keys: key, context: { tenant: "acme" } });
  const signer = await kf.keys.create({ alias: "alias/signer", spec: "ECC_NIST_P256" });
  const path = (name) => join(home, name);
  for (const length of [0, 1, 16_384, 1_000_000]) {
    const data = bytes(length, "cross");
    writeFileSync(path("ours"), await kf.encrypt(data));
    await run(
      COMMAND,
      ["decrypt", "--context", "tenant=acme", path("ours"), "-o", path("plain"), "--force"],
      { env },
    );
    same(readFileSync(path("plain")), data);
    writeFileSync(path("data"), data);
    await run(
      COMMAND,
      [
        "encrypt",
        "--key",
        "alias/cross",
        "--context",
        "tenant=acme",
        path("data"),
        "-o",
        path("theirs"),
        "--force",
      ],
      { env },
    );
    const theirs = readFileSync(path("theirs"));
    same(await kf.decrypt(theirs), data);
    const opened = await kf.open(new Blob([theirs]));
    same(
      await opened.read({ start: Math.floor(length / 2) }),
      data.subarray(Math.floor(length / 2)),
    );
  }
  const signed = await kf.encrypt(bytes(70_000), { signer });
  same(await kf.decrypt(signed, { signers: await kf.publicKey(signer) }), bytes(70_000));
});
