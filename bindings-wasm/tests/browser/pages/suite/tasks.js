/** The six tasks, and what other languages write. */

import { Keyfold, embedded, inspect, maxEncryptedLength } from "keyfold";

import {
  check,
  client,
  collect,
  equal,
  from,
  random,
  refused,
  sameBytes,
  toBase64,
  utf8,
} from "./check.js";

const K1 = "ECC_SECG_P256K1";

/** All six over the server. */
export async function sixTasks(server) {
  const kf = await client(server);
  await perform(kf, server);
  kf.dispose();
  await refused(() => kf.encrypt(utf8("hello")), "invalid_argument", "after the end");
}

/** All six over the KMS in the page, which comes with the second module. */
export async function embeddedTasks() {
  const kf = await Keyfold.create({ kms: embedded(), context: { tenant: "acme" } });
  await kf.keys.create({ alias: "alias/docs" });
  await perform(await withKeys(kf), {});
}

const withKeys = (kf) =>
  Keyfold.create({ kms: kf.kms, keys: "keyfold:alias/docs", context: { tenant: "acme" } });

async function perform(kf, { name = "page" }) {
  // 1: values, of every size that may be handled in another way.
  for (const size of [0, 1, 1024, 16_383, 16_384, 16_385, 100_000, 3_000_001]) {
    const plain = random(size);
    const sealed = await kf.encrypt(plain);
    check(sealed.length <= (await maxEncryptedLength(size)), "no longer than said");
    sameBytes(await kf.decrypt(sealed), plain, `${size} bytes`);
    const { context, plaintextLength } = await inspect(sealed);
    equal(context.tenant, "acme", "context");
    equal(plaintextLength, size, "length");
  }
  const plain = random(200_000);
  const chacha = await kf.encrypt(plain, { suite: "ChaCha20-Poly1305" });
  sameBytes(await kf.decrypt(chacha), plain, "ChaCha20-Poly1305");
  const detached = await kf.encryptDetached(plain);
  const { header, body } = detached;
  sameBytes(await kf.decrypt(body, { header }), plain, "detached");
  await refused(
    () => kf.decrypt(chacha, { context: { tenant: "other" } }),
    "context_mismatch",
    "another context",
  );

  // 2: streams.
  const sealed = await collect(from([plain]).pipeThrough(kf.sealStream()));
  sameBytes(await kf.decrypt(sealed), plain, "a stream, opened whole");
  sameBytes(await collect(from([sealed]).pipeThrough(kf.openStream())), plain, "a stream");

  // 3: ranges.
  const opened = await kf.open(new File([sealed], "sealed"));
  const part = await opened.read({ start: 70_000, end: 120_000 });
  sameBytes(part, plain.subarray(70_000, 120_000), "a range");
  opened.dispose();

  // 4: other recipients.
  const other = await kf.keys.create({ description: "another" });
  const moved = await kf.rewrap(sealed, { to: other });
  sameBytes(await kf.decrypt(moved, { keys: other }), plain, "moved");
  await refused(() => kf.decrypt(moved), "no_usable_key", "moved away");
  const both = await kf.addRecipients(moved, { keys: "keyfold:alias/docs", from: other });
  equal((await inspect(both)).recipients.length, 2, "recipients");
  sameBytes(await kf.decrypt(both), plain, "handed over");

  // 5: signatures; a curve that browsers lack comes with the second module.
  for (const spec of ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_EDWARDS25519", K1]) {
    const signer = await kf.keys.create({ spec });
    const signature = await kf.sign(utf8("message"), { key: signer });
    await kf.verify(utf8("message"), signature, { key: signer });
    const key = await kf.publicKey(signer);
    await key.verify(utf8("message"), signature);
    const changed = () => key.verify(utf8("Message"), signature);
    await refused(changed, "signature_invalid", `${spec}, changed`);
    if (spec === K1) {
      // The format has no such signatures.
      const seal = () => kf.encrypt(plain, { signer });
      await refused(seal, "invalid_argument", "an envelope signed with it");
      continue;
    }
    const signed = await kf.encrypt(plain, { signer });
    sameBytes(await kf.decrypt(signed, { signers: key }), plain, `${spec}, signed`);
    await refused(() => kf.decrypt(signed), "invalid_argument", "a signature, unasked");
    signed[signed.length - 1] ^= 1;
    await refused(() => kf.decrypt(signed, { signers: key }), "signature_invalid", spec);
  }

  // 6: the password safe.
  const secret = `${name}/${toBase64(random(6)).replaceAll("+", "-")}`;
  const version = await kf.secrets.put(secret, "correct horse");
  const got = await kf.secrets.get(secret);
  equal(got.exposeText(), "correct horse", "secret");
  equal(got.version, version, "version");
  await refused(() => kf.secrets.get(`${secret}/none`), "secret_not_found", "no secret");
}

/** The tasks of a service worker, which cannot import() and so has no second module. */
export async function workerTasks(server) {
  const kf = await client(server);
  for (const size of [0, 1024, 3_000_001]) {
    const plain = random(size);
    const sealed = await collect(from([plain]).pipeThrough(kf.sealStream()));
    sameBytes(await kf.decrypt(sealed), plain, `${size} bytes`);
  }
  kf.dispose();
}

/** Encrypts for the command line; answers the envelope in base64. */
export async function encryptFor({ text, signer, ...server }) {
  const kf = await client(server);
  return toBase64(await kf.encrypt(utf8(text), signer ? { signer } : {}));
}

/** Decrypts what another wrote and the site serves; answers its SHA-256 in base64. */
export async function decryptFrom({ path, signed, ...server }) {
  const kf = await client(server);
  const options = signed ? { signers: await kf.publicKey(signed) } : {};
  const sealed = new Uint8Array(await (await fetch(path)).arrayBuffer());
  const whole = await kf.decrypt(sealed, options);
  const { body } = await fetch(path);
  const streamed = await collect(body.pipeThrough(kf.openStream(options)));
  sameBytes(streamed, whole, "whole and streamed");
  return toBase64(new Uint8Array(await crypto.subtle.digest("SHA-256", whole)));
}

/** Encrypts random bytes to the site, as a stream; answers their SHA-256 in base64. */
export async function encryptTo({ path, size, ...server }) {
  const kf = await client(server);
  const plain = random(size);
  const sealed = await collect(new Blob([plain]).stream().pipeThrough(kf.sealStream()));
  const answer = await fetch(path, { method: "PUT", body: sealed });
  check(answer.ok, `the site answered ${answer.status}`);
  return toBase64(new Uint8Array(await crypto.subtle.digest("SHA-256", plain)));
}

/** What the password safe has under a name. */
export async function readSecret({ secret, ...server }) {
  const kf = await client(server);
  return (await kf.secrets.get(secret)).exposeText();
}
