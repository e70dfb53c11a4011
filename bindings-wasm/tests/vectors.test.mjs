// The shared vectors of the format, through the package.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import {
  Keyfold,
  KeyfoldError,
  collect,
  fromHex,
  inParts,
  inspect,
  keyfold,
  random,
  readJson,
  same,
} from "./support.mjs";

/** A KMS that unwraps every wrapped key to the data key of a vector. */
class Knowing {
  constructor(dataKey) {
    this.dataKey = fromHex(dataKey);
  }
  call(request) {
    assert.equal(request.type, "unwrap");
    return { dataKey: this.dataKey.slice() };
  }
}

function plaintext(vector) {
  if ("plaintext" in vector) return fromHex(vector.plaintext);
  const blocks = [];
  for (let n = 0n; n <= BigInt(Math.floor(vector.plaintext_len / 32)); n += 1n) {
    const number = Buffer.alloc(8);
    number.writeBigUInt64BE(n);
    blocks.push(
      createHash("sha256").update(fromHex(vector.plaintext_seed)).update(number).digest(),
    );
  }
  const made = Buffer.concat(blocks).subarray(0, vector.plaintext_len);
  assert.equal(createHash("sha256").update(made).digest("hex"), vector.plaintext_sha256);
  return made;
}

const SUITES = { 1: "AES-256-GCM", 2: "ChaCha20-Poly1305" };

async function opener(vector) {
  const kf = await Keyfold.create({
    kms: new Knowing(vector.data_key),
    context: vector.expected_context ?? vector.context,
    cache: null,
    ...(vector.accepted_suites ? { suites: vector.accepted_suites.map((id) => SUITES[id]) } : {}),
  });
  // All the recipients there are, whatever their KMS; any other where that cannot be read.
  const keys = await inspect(fromHex(vector.header)).then(
    (info) => ({ unwrap: info.recipients.map((recipient) => recipient.key) }),
    () => "keyfold:any",
  );
  const options = { keys };
  if (vector.any_signer) options.signers = "any";
  else if (vector.signers) {
    try {
      options.signers = await Promise.all(
        vector.signers.map((der) => keyfold.PublicKey.fromDer(fromHex(der))),
      );
    } catch {
      // keyfold takes keys for signers: such bytes cannot even be named.
      throw new KeyfoldError("signature_invalid", "not a signer");
    }
  }
  const header = fromHex(vector.header);
  const body = fromHex(vector.body + (vector.trailer ?? ""));
  if (vector.detached) return { kf, options: { ...options, header }, data: body };
  return { kf, options, data: new Uint8Array(Buffer.concat([header, body])) };
}

const next = random(7);

const WAYS = {
  async whole(vector) {
    const { kf, options, data } = await opener(vector);
    return kf.decrypt(data, options);
  },
  async stream(vector) {
    const { kf, options, data } = await opener(vector);
    return collect(inParts(data, next, 40_000).pipeThrough(kf.openStream(options)));
  },
  async "bytes one by one"(vector) {
    const { kf, options, data } = await opener(vector);
    // The long ones in parts of at most 100 bytes.
    return collect(
      inParts(data, next, data.length > 2000 ? 100 : 1).pipeThrough(kf.openStream(options)),
    );
  },
};

test("valid vectors open", async () => {
  const vectors = readJson("tests/vectors/valid.json");
  assert.ok(vectors.length >= 80);
  for (const vector of vectors) {
    for (const [way, open] of Object.entries(WAYS)) {
      if (way === "bytes one by one" && vector.body.length > 200_000) continue;
      try {
        same(await open(vector), plaintext(vector));
      } catch (error) {
        throw new Error(`${vector.name}, ${way}`, { cause: error });
      }
    }
  }
});

test("ranges of valid vectors open", async () => {
  for (const vector of readJson("tests/vectors/valid.json")) {
    const { kf, options, data } = await opener(vector);
    const { signers, ...rest } = options;
    const opened = await kf.open(data, signers ? { ...rest, unprovenSignature: true } : rest);
    const expected = plaintext(vector);
    assert.equal(await opened.verifyLength(), expected.length, vector.name);
    for (let n = 0; n < 4; n += 1) {
      const start = Math.floor(next() * (expected.length + 1));
      const end = start + Math.floor(next() * (expected.length + 100 - start));
      same(await opened.read({ start, end }), expected.subarray(start, end));
    }
    opened.dispose();
  }
});

test("hostile vectors are refused with their code", async () => {
  const vectors = readJson("tests/vectors/hostile.json");
  assert.ok(vectors.length >= 400);
  const wrong = [];
  for (const vector of vectors) {
    for (const [way, open] of Object.entries(WAYS)) {
      if (way === "bytes one by one" && vector.body.length > 20_000) continue;
      const code = await open(vector).then(
        () => "opened",
        (error) => error.code ?? String(error.stack),
      );
      if (code !== vector.expect)
        wrong.push(`${vector.name}, ${way}: ${code}, not ${vector.expect}`);
    }
  }
  assert.deepEqual(wrong, []);
});
