// The clouds of `keyfold/cloud`, against emulators of their services.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import test, { after } from "node:test";
import { cloud, router } from "keyfold/cloud";
import { Keyfold, bytes, embedded, inspect, isKeyfoldError, rejects, same, utf8 } from "./support.mjs";

const EMULATOR = process.env.KEYFOLD_EMULATOR;
const skip = !EMULATOR && "KEYFOLD_EMULATOR does not name the program keyfold-emulator";

const URIS = {
  tencent: "tencent://ap-guangzhou",
  huawei: "huawei://cn-north-4",
  google: "google://projects/example-project/locations/global/keyRings/ring",
  azure: "azure://docs-vault",
};

/** Credentials out of the variables that an emulator prints. */
const CREDENTIALS = {
  tencent: (v) => ({ id: v.TENCENTCLOUD_SECRET_ID, secret: v.TENCENTCLOUD_SECRET_KEY }),
  huawei: (v) => ({ id: v.HUAWEICLOUD_SDK_AK, secret: v.HUAWEICLOUD_SDK_SK }),
  google: (v) => ({ serviceAccount: v.EMULATOR_SERVICE_ACCOUNT }),
  azure: (v) => ({
    tenant: v.AZURE_TENANT_ID,
    clientId: v.AZURE_CLIENT_ID,
    clientSecret: v.AZURE_CLIENT_SECRET,
    authority: v.AZURE_AUTHORITY_HOST,
  }),
};

/** A service of a vendor's on this machine. */
class Emulator {
  static async start(name) {
    const emulator = new Emulator();
    emulator.name = name;
    emulator.uri = URIS[name];
    emulator.process = spawn(EMULATOR, [name], { stdio: ["pipe", "pipe", "inherit"] });
    emulator.variables = {};
    let last;
    for await (const line of createInterface({ input: emulator.process.stdout })) {
      const named = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line);
      if (line === "ready") break;
      else if (line.startsWith("listening on ")) emulator.url = line.split(" ")[2];
      else if (named) emulator.variables[(last = named[1])] = named[2];
      else emulator.variables[last] += `\n${line}`;
    }
    const place = { keys: emulator.url, secrets: emulator.url };
    if (name === "huawei") place.project = emulator.variables.HUAWEICLOUD_SDK_PROJECT_ID;
    emulator.places = { [URIS[name].split("/").slice(0, 3).join("/")]: place };
    return emulator;
  }

  kms(options = {}) {
    const credentials = CREDENTIALS[this.name](this.variables);
    return cloud({ uri: this.uri, places: this.places, credentials, ...options });
  }

  async calls() {
    const counted = await (await fetch(`${this.url}/_emulator/calls`)).json();
    return Object.values(counted).reduce((sum, calls) => sum + calls, 0);
  }

  async stop() {
    if (this.process.exitCode !== null) return;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.stdin.end();
    await ended;
  }
}

const started = [];
async function start(name) {
  const emulator = await Emulator.start(name);
  started.push(emulator);
  return emulator;
}

after(async () => {
  for (const emulator of started) await emulator.stop();
});

const newKey = (kf, name, alias = "docs") =>
  kf.keys.create(
    name === "azure" ? { alias, spec: "RSA_2048", usage: "ENCRYPT_DECRYPT" } : { alias },
  );

for (const name of Object.keys(URIS)) {
  test(`a round trip at ${name}`, { skip }, async () => {
    const emulator = await start(name);
    const kms = emulator.kms();
    const can = await kms.capabilities();
    assert.equal(can.scheme, name);
    const kf = await Keyfold.create({ kms, context: { tenant: "acme" } });
    const docs = await newKey(kf, name);
    assert.ok(docs.startsWith(`${name}://`), docs);
    const about = await kf.keys.describe(docs);
    assert.deepEqual([about.key, about.enabled, about.usage], [docs, true, "ENCRYPT_DECRYPT"]);
    const data = bytes(40_000);
    const envelope = await kf.encrypt(data, { keys: docs });
    const fresh = await Keyfold.create({ kms, keys: docs, context: { tenant: "acme" } });
    same(await fresh.decrypt(envelope), data);
    const { recipients } = await inspect(envelope);
    assert.ok(recipients[0].key.startsWith(`${name}://`));
    await rejects(fresh.decrypt(envelope, { context: {} }), "context_mismatch");
    if (can.operations["list keys"] !== "absent") {
      assert.ok((await kf.keys.list()).includes(docs));
    }
    await kf.keys.disable(docs);
    assert.equal((await kf.keys.describe(docs)).enabled, false);
    await kf.keys.enable(docs);

    const version = await kf.secrets.put("db-password", "correct horse");
    assert.equal((await kf.secrets.get("db-password")).exposeText(), "correct horse");
    assert.equal((await kf.secrets.get("db-password", { version })).exposeText(), "correct horse");
    assert.deepEqual(
      (await kf.secrets.list()).map((secret) => secret.name),
      ["db-password"],
    );
    await rejects(kf.secrets.get("never"), "secret_not_found");

    let signer = await kf.keys.create({ alias: "signer", spec: "ECC_NIST_P256" });
    // There is no current version of a key that signs.
    if (name === "google") signer += "/cryptoKeyVersions/1";
    const message = utf8("report");
    const signature = await kf.sign(message, { key: signer, algorithm: "ECDSA_SHA_256" });
    await (await kf.publicKey(signer)).verify(message, signature, { algorithm: "ECDSA_SHA_256" });
  });
}

test("one envelope of three clouds opens with any of them", { skip }, async () => {
  const clouds = [await start("tencent"), await start("huawei"), await start("azure")];
  const each = clouds.map((emulator) => emulator.kms({ retries: 0 }));
  const keys = [];
  for (const [number, kms] of each.entries()) {
    keys.push(await newKey(await Keyfold.create({ kms }), clouds[number].name));
  }
  const routes = Object.fromEntries(each.map((kms) => [`${kms.uri}/`, kms]));
  const own = embedded();
  const kms = router(routes, { otherwise: own });
  const before = await Promise.all(clouds.map((emulator) => emulator.calls()));
  const kf = await Keyfold.create({ kms, keys });
  const envelopes = [];
  for (let n = 0; n < 100; n += 1) envelopes.push(await kf.encrypt(utf8(String(n))));
  const now = await Promise.all(clouds.map((emulator) => emulator.calls()));
  // One call each for all of them; Azure looks at a key before it wraps.
  assert.deepEqual(
    now.map((calls, number) => calls - before[number]),
    [1, 1, 2],
  );
  const moved = await kf.rewrap(envelopes[7], { to: keys.slice(1) });
  await clouds[0].stop();
  await clouds[1].stop();
  const fresh = await Keyfold.create({ kms, keys, cache: null });
  same(await fresh.decrypt(envelopes[42]), utf8("42"));
  same(await fresh.decrypt(moved), utf8("7"));
  await rejects(fresh.decrypt(envelopes[42], { keys: keys.slice(0, 2) }), "no_usable_key");
  // The embedded KMS has all other keys, and the secrets.
  const docs = await (await Keyfold.create({ kms: own })).keys.create();
  same(await fresh.decrypt(await fresh.encrypt(utf8("x"), { keys: docs })), utf8("x"));
  await rejects((await Keyfold.create({ kms })).keys.list(), "invalid_argument");
  assert.throws(() => router({ tencent: own }), isKeyfoldError);
});

test("who calls", { skip }, async () => {
  const emulator = await start("tencent");
  const { id, secret } = CREDENTIALS.tencent(emulator.variables);
  const docs = await newKey(await Keyfold.create({ kms: emulator.kms() }), "tencent");
  const opens = async (credentials) => {
    const kf = await Keyfold.create({ kms: emulator.kms({ credentials }), keys: docs });
    return kf.encrypt(utf8("x"));
  };
  let asked = 0;
  await opens(async (signal) => {
    asked += 1;
    assert.ok(signal instanceof AbortSignal);
    return { id, secret };
  });
  assert.equal(asked, 1);
  await opens({
    id: emulator.variables.EMULATOR_TEMPORARY_SECRET_ID,
    secret: emulator.variables.EMULATOR_TEMPORARY_SECRET_KEY,
    sessionToken: emulator.variables.EMULATOR_TEMPORARY_TOKEN,
  });
  await rejects(opens({ id, secret: "x".repeat(secret.length) }), "kms_denied");
  await rejects(
    opens(() => Promise.reject(new Error("none"))),
    "kms_denied",
  );
  await rejects(opens({ id: "", secret }), "invalid_argument");
  assert.throws(() => emulator.kms({ credentials: { key: "?" } }), isKeyfoldError);
});

test("what does not count, and what a cloud lacks, is refused and not sent", async () => {
  const sent = [];
  const network = async (url) => {
    sent.push(url);
    throw new Error("there is no network");
  };
  const credentials = { id: "AKID", secret: "hidden" };
  const options = { uri: "pingan://cn-shanghai", credentials, fetch: network, retries: 0 };
  const key = "pingan://cn-shanghai/key";
  const kf = await Keyfold.create({ kms: cloud(options), keys: key });
  const lacking = [
    kf.sign(utf8("x"), { key, algorithm: "ECDSA_SHA_256" }),
    kf.keys.list(),
    kf.keys.rotate(key),
    kf.keys.tag(key, { a: "b" }),
    kf.keys.putPolicy(key, "{}"),
    kf.secrets.put("name", "value"),
    kf.secrets.list(),
  ];
  for (const call of lacking) {
    await assert.rejects(call, (error) => {
      assert.equal(error.code, "invalid_argument");
      assert.match(error.message, /^unsupported: pingan cannot /);
      return true;
    });
  }
  for (const wrong of [
    { uri: "ftp://x" },
    { uri: "pingan:" },
    { places: { "pingan://cn-shanghai": { network: "vpc" } } },
    { places: { "pingan:office": {} } },
    { places: { "pingan://cn-shanghai": { keys: "http://example.com" } } },
    { credentials: { ...credentials, app: { id: "APP", key: "short" } } },
  ]) {
    const other = await Keyfold.create({ kms: cloud({ ...options, ...wrong }), keys: key });
    await rejects(other.encrypt(utf8("x")), "invalid_argument");
  }
  assert.deepEqual(sent, []);
  await rejects(kf.encrypt(utf8("x")), "kms_unavailable");
  assert.equal(new URL(sent[0]).host, "kms-cn-shanghai.yun.pingan.com");
  assert.ok(!JSON.stringify(cloud(options)).includes("hidden"));
});
