// The tasks over an embedded KMS.
import assert from "node:assert/strict";
import test from "node:test";
import {
  Counting,
  Keyfold,
  bytes,
  client,
  collect,
  inParts,
  inspect,
  keyfold,
  random,
  rejects,
  same,
  utf8,
} from "./support.mjs";

const LENGTHS = [0, 1, 1000, 8192, 8193, 16_383, 16_384, 16_385, 32_768, 100_000, 2_500_000];

test("whole values, streams and parts, of every suite and signer", async () => {
  const { kf, admin } = await client();
  const signers = {
    ed25519: await admin.create({ spec: "ECC_NIST_EDWARDS25519" }),
    p256: await admin.create({ spec: "ECC_NIST_P256" }),
    p384: await admin.create({ spec: "ECC_NIST_P384" }),
  };
  const kinds = [
    {},
    { suite: "ChaCha20-Poly1305" },
    ...Object.values(signers).map((signer) => ({ signer })),
  ];
  const next = random(1);
  for (const length of LENGTHS) {
    const data = bytes(length, "tasks");
    for (const seal of kinds) {
      const open = seal.signer ? { signers: await kf.publicKey(seal.signer) } : {};
      const whole = await kf.encrypt(data, seal);
      same(await kf.decrypt(whole, open), data);
      const info = await inspect(whole);
      assert.equal(info.plaintextLength, length);
      assert.equal(info.cipher, seal.suite ?? "AES-256-GCM");
      assert.equal(info.signature === undefined, seal.signer === undefined);
      assert.ok((await keyfold.maxEncryptedLength(length)) >= whole.length);

      const sealed = await collect(inParts(data, next, 50_000).pipeThrough(kf.sealStream(seal)));
      assert.equal(sealed.length, whole.length);
      same(await kf.decrypt(sealed, open), data);
      same(await collect(inParts(whole, next, 50_000).pipeThrough(kf.openStream(open))), data);

      const opened = await kf.open(
        new Blob([sealed]),
        seal.signer ? { unprovenSignature: true } : {},
      );
      assert.equal(opened.plaintextLength, length);
      for (let n = 0; n < 3; n += 1) {
        const start = Math.floor(next() * (length + 1));
        const end = start + Math.floor(next() * 50_000);
        same(await opened.read({ start, end }), data.subarray(start, end));
      }
      opened.dispose();

      const { header, body } = await kf.encryptDetached(data, seal);
      same(await kf.decrypt(body, { ...open, header }), data);
    }
  }
});

test("a signature is demanded, and by whom", async () => {
  const { kf, admin } = await client();
  for (const spec of ["ECC_NIST_EDWARDS25519", "ECC_NIST_P256"]) {
    const [one, other] = [await admin.create({ spec }), await admin.create({ spec })];
    const data = bytes(40_000);
    const signed = await kf.encrypt(data, { signer: one });
    const [mine, others] = [await kf.publicKey(one), await kf.publicKey(other)];
    same(await kf.decrypt(signed, { signers: "any" }), data);
    same(await kf.decrypt(signed, { signers: [others, mine] }), data);
    await rejects(kf.decrypt(signed, { signers: others }), "signature_invalid");
    await rejects(kf.decrypt(signed), "invalid_argument");
    await rejects(kf.decrypt(await kf.encrypt(data), { signers: "any" }), "signature_invalid");
    await rejects(kf.decrypt(signed, { signers: [] }), "invalid_argument");
    const forged = signed.slice();
    forged[forged.length - 10] ^= 1;
    await rejects(kf.decrypt(forged, { signers: mine }), "signature_invalid");
    await rejects(
      collect(new Blob([forged]).stream().pipeThrough(kf.openStream({ signers: mine }))),
      "signature_invalid",
    );
  }
});

test("signatures of every kind of key", async () => {
  const { kf, admin } = await client();
  const kinds = [
    ["ECC_NIST_P256"],
    ["ECC_NIST_P384"],
    ["ECC_NIST_P521"],
    ["ECC_SECG_P256K1"],
    ["ECC_NIST_EDWARDS25519", "ED25519_SHA_512"],
    [
      "RSA_2048",
      "RSASSA_PSS_SHA_256",
      "RSASSA_PSS_SHA_384",
      "RSASSA_PSS_SHA_512",
      "RSASSA_PKCS1_V1_5_SHA_256",
      "RSASSA_PKCS1_V1_5_SHA_384",
      "RSASSA_PKCS1_V1_5_SHA_512",
    ],
  ];
  const message = utf8("message");
  for (const [spec, ...algorithms] of kinds) {
    const key = await admin.create({ spec, usage: "SIGN_VERIFY" });
    const publicKey = await kf.publicKey(key);
    assert.equal(publicKey.spec, spec);
    const again = await keyfold.PublicKey.fromPem(publicKey.toPem());
    for (const algorithm of algorithms.length > 0 ? algorithms : [undefined]) {
      const signature = await kf.sign(message, { key, algorithm });
      await again.verify(message, signature, { algorithm });
      await kf.verify(message, signature, { key, algorithm });
      await rejects(again.verify(utf8("massage"), signature, { algorithm }), "signature_invalid");
      const wrong = signature.slice();
      wrong[wrong.length - 1] ^= 1;
      await rejects(again.verify(message, wrong, { algorithm }), "signature_invalid");
      await rejects(again.verify(message, new Uint8Array(3), { algorithm }), "signature_invalid");
    }
    if (algorithms[0]?.startsWith("ED25519")) {
      await rejects(kf.sign(bytes(5000), { key }), "invalid_argument");
    } else {
      const long = bytes(5000);
      await again.verify(long, await kf.sign(long, { key }));
    }
  }
});

test("recipients", async () => {
  const { kf, admin, docs } = await client();
  const backup = await admin.create({ alias: "alias/backup" });
  const data = bytes(20_000);
  const envelope = await kf.encrypt(data, { keys: [docs, backup] });
  same(await kf.decrypt(envelope, { keys: { unwrap: [backup] } }), data);
  same(await kf.decrypt(envelope, { keys: { discover: "keyfold" } }), data);
  const alone = await kf.removeRecipients(envelope, { keys: "keyfold:alias/backup" });
  assert.deepEqual(
    (await inspect(alone)).recipients.map(({ key }) => key),
    [docs],
  );
  await rejects(kf.decrypt(alone, { keys: backup }), "no_usable_key");
  await rejects(kf.removeRecipients(alone, { keys: docs }), "invalid_argument");
  const moved = await kf.rewrap(alone, { to: backup });
  same(await kf.decrypt(moved, { keys: backup }), data);
  const both = await kf.addRecipients(moved, { from: backup, keys: docs });
  assert.equal((await inspect(both)).recipients.length, 2);
  // A header alone, of a detached envelope.
  const { header, body } = await kf.encryptDetached(data);
  const other = await kf.rewrap(header, { to: backup });
  same(await kf.decrypt(body, { header: other, keys: backup }), data);
  await rejects(kf.decrypt(body, { header: new Uint8Array([...header, 0]) }), "malformed_envelope");
});

test("contexts are demanded exactly, or in part", async () => {
  const { kf } = await client();
  const envelope = await kf.encrypt(utf8("x"), { context: { tenant: "acme", file: "1" } });
  await rejects(kf.decrypt(envelope), "context_mismatch");
  const part = new keyfold.ContextContains({ tenant: "acme" });
  assert.deepEqual(await kf.decrypt(envelope, { context: part }), utf8("x"));
  await rejects(
    kf.decrypt(envelope, { context: new keyfold.ContextContains({ tenant: "x" }) }),
    "context_mismatch",
  );
  const bound = { generate: "keyfold:alias/docs", bindOnly: ["tenant"] };
  const partly = await kf.encrypt(utf8("x"), {
    keys: bound,
    context: { tenant: "acme", file: "2" },
  });
  assert.deepEqual(await kf.decrypt(partly, { context: { file: "2", tenant: "acme" } }), utf8("x"));
});

test("data keys are cached, and concurrent misses are one call", async () => {
  const { kms, docs } = await client();
  const counting = new Counting(kms);
  const kf = await Keyfold.create({ kms: counting, keys: docs });
  const sealed = await Promise.all(
    Array.from({ length: 50 }, (_, n) => kf.encrypt(bytes(n * 1000))),
  );
  assert.deepEqual(counting.calls, ["generateDataKey"]);
  const opened = await Promise.all(sealed.map((envelope) => kf.decrypt(envelope)));
  opened.forEach((data, n) => same(data, bytes(n * 1000)));
  assert.deepEqual(counting.calls, ["generateDataKey", "unwrap"]);
  assert.deepEqual(kf.cacheStats, { hits: 98, misses: 2 });
  kf.clearCache();
  await kf.encrypt(bytes(1));
  assert.equal(counting.calls.length, 3);
  const uncached = await Keyfold.create({ kms: counting, keys: docs, cache: null });
  await uncached.encrypt(bytes(1));
  await uncached.encrypt(bytes(1));
  assert.equal(counting.calls.length, 5);
  const few = await Keyfold.create({ kms: counting, keys: docs, cache: { maxMessages: 2 } });
  for (let n = 0; n < 4; n += 1) await few.encrypt(bytes(1));
  assert.equal(counting.calls.length, 7);
});

test("small data and the password safe", async () => {
  const { kf, docs } = await client();
  const small = await kf.encryptSmall(utf8("4111 1111"));
  assert.deepEqual(await kf.decryptSmall(small, { key: docs }), utf8("4111 1111"));
  await rejects(kf.decryptSmall(small, { context: { tenant: "other" } }), "authentication_failed");
  const first = await kf.secrets.put("db/password", "one");
  const second = await kf.secrets.put("db/password", utf8("two"));
  assert.equal((await kf.secrets.get("db/password")).exposeText(), "two");
  assert.equal((await kf.secrets.get("db/password", { version: first })).exposeText(), "one");
  assert.equal((await kf.secrets.get("db/password", { stage: "AWSPREVIOUS" })).version, first);
  const versions = await kf.secrets.versions("db/password");
  assert.deepEqual(new Set(versions.map(({ id }) => id)), new Set([first, second]));
  assert.deepEqual(
    (await kf.secrets.list()).map(({ name }) => name),
    ["db/password"],
  );
  assert.ok((await kf.secrets.delete("db/password", { days: 7 })) > new Date());
  await rejects(kf.secrets.get("db/password"), "secret_not_found");
  await kf.secrets.restore("db/password");
  assert.equal((await kf.secrets.get("db/password")).exposeText(), "two");
});

test("the life of keys", async () => {
  const { kf, docs } = await client();
  const key = await kf.keys.create({
    alias: "alias/life",
    description: "first",
    tags: { team: "a" },
  });
  const info = await kf.keys.describe("keyfold:alias/life");
  assert.deepEqual([info.key, info.enabled, info.description], [key, true, "first"]);
  assert.ok(info.created instanceof Date && info.deletion === undefined);
  await kf.keys.setDescription(key, "second");
  await kf.keys.rotate(key);
  await kf.keys.setRotation(key, { days: 90 });
  await kf.keys.setRotation(key, { days: null });
  await kf.keys.tag(key, { cost: "b" });
  await kf.keys.untag(key, ["team"]);
  assert.deepEqual(await kf.keys.listTags(key), { cost: "b" });
  await kf.keys.createAlias("alias/other", key);
  await kf.keys.updateAlias("alias/other", docs);
  assert.deepEqual(Object.keys(await kf.keys.listAliases(docs)).sort(), [
    "alias/docs",
    "alias/other",
  ]);
  await kf.keys.deleteAlias("alias/other");
  await kf.keys.putPolicy(key, await kf.keys.getPolicy(key));
  await kf.keys.disable("keyfold:alias/life");
  await rejects(kf.encrypt(utf8("x"), { keys: key }), "kms_key_unavailable");
  await kf.keys.enable(key);
  assert.ok((await kf.keys.scheduleDeletion(key, { days: 7 })) > new Date());
  assert.equal((await kf.keys.describe(key)).state, "PendingDeletion");
  await kf.keys.cancelDeletion(key);
  assert.deepEqual(new Set(await kf.keys.list()), new Set([docs, key]));
  await rejects(kf.keys.describe("aws:alias/x"), "invalid_argument");
  const bare = await Keyfold.create({ kms: { call: () => ({}) } });
  await rejects(bare.keys.list(), "invalid_argument");
});

test("a long stream holds little", async () => {
  const { kf } = await client();
  const part = bytes(65_536);
  const parts = 4096;
  for (const kind of ["seal", "open"]) {
    let given = 0;
    let taken = 0;
    let most = 0;
    const plain = () =>
      new ReadableStream(
        {
          pull(controller) {
            if (given === parts) return controller.close();
            given += 1;
            controller.enqueue(part);
          },
        },
        { highWaterMark: 0 },
      );
    let stream = plain().pipeThrough(kf.sealStream());
    if (kind === "open") stream = stream.pipeThrough(kf.openStream());
    for await (const out of stream) {
      taken += out.length;
      most = Math.max(most, given * part.length - taken);
      // Somebody slow: nothing runs ahead.
      if (taken % (1 << 20) < 70_000) await new Promise((resume) => setImmediate(resume));
    }
    assert.ok(taken >= parts * part.length);
    // Two streams, each with at most 1 MiB under way and half a mebibyte ready.
    assert.ok(most < 4 << 20, `${kind}: ${most} bytes were held`);
  }
});

test("progress is told, and a signal ends", async () => {
  const { kf } = await client();
  const data = bytes(12 << 20);
  for (const how of ["encrypt", "decrypt"]) {
    const told = [];
    const input = how === "encrypt" ? data : await kf.encrypt(data);
    await kf[how](input, { onProgress: (progress) => told.push(progress) });
    assert.ok(told.length >= 3);
    assert.deepEqual(told.at(-1), { done: data.length, total: data.length });
    assert.ok(told.every(({ done }, n) => n === 0 || done >= told[n - 1].done));
    const controller = new AbortController();
    const error = await rejects(
      kf[how](input, { signal: controller.signal, onProgress: () => controller.abort("enough") }),
      "cancelled",
    );
    assert.equal(error.cause, "enough");
    await rejects(kf[how](input, { signal: AbortSignal.abort() }), "cancelled");
  }
  const controller = new AbortController();
  const stream = inParts(data, random(3), 100_000).pipeThrough(
    kf.sealStream({
      signal: controller.signal,
      onProgress: ({ done }) => done > 3 << 20 && controller.abort("stop"),
    }),
  );
  assert.equal((await rejects(collect(stream), "cancelled")).cause, "stop");
  const whole = collect(
    inParts(data, random(3), 9999).pipeThrough(kf.sealStream({ length: data.length })),
  );
  same(await kf.decrypt(await whole), data);
  await rejects(
    collect(inParts(data, random(3), 9999).pipeThrough(kf.sealStream({ length: 5 }))),
    "invalid_argument",
  );
  await rejects(
    collect(inParts(bytes(5), random(3), 9).pipeThrough(kf.sealStream({ length: 6 }))),
    "invalid_argument",
  );
});

test("a stream that is cut, or altered, fails", async () => {
  const { kf } = await client();
  const sealed = await kf.encrypt(bytes(100_000));
  const { headerLength } = await inspect(sealed);
  const open = (data) => collect(new Blob([data]).stream().pipeThrough(kf.openStream()));
  await rejects(open(sealed.subarray(0, 10)), "truncated");
  await rejects(open(sealed.subarray(0, headerLength + 20)), "truncated");
  await rejects(open(sealed.subarray(0, headerLength + 56 + 16_400)), "truncated");
  await rejects(open(sealed.subarray(0, sealed.length - 1)), "authentication_failed");
  for (const at of [
    headerLength + 1,
    headerLength + 30,
    headerLength + 100,
    headerLength + 40_000,
    sealed.length - 1,
  ]) {
    const altered = sealed.slice();
    altered[at] ^= 4;
    await rejects(open(altered), "authentication_failed");
    await rejects(kf.decrypt(altered), "authentication_failed");
  }
  const swapped = sealed.slice();
  const [a, b] = [headerLength + 56, headerLength + 56 + 16_400];
  swapped.set(sealed.subarray(b, b + 16_400), a);
  swapped.set(sealed.subarray(a, a + 16_400), b);
  await rejects(open(swapped), "authentication_failed");
  const opened = await kf.open(swapped);
  await rejects(opened.read({ start: 0, end: 1 }), "authentication_failed");
  same(await opened.read({ start: 40_000, end: 40_010 }), bytes(100_000).subarray(40_000, 40_010));
});
