/** The shared vectors of the format. */

import { Keyfold, PublicKey, inspect, isKeyfoldError } from "keyfold";

import {
  check,
  collect,
  concat,
  equal,
  from,
  fromHex,
  numbers,
  refused,
  sameBytes,
  split,
} from "./check.js";

const SUITES = { 1: "AES-256-GCM", 2: "ChaCha20-Poly1305" };

/** A KMS that unwraps every wrapped key to the data key of a vector. */
const knowing = (dataKey) => ({
  call(request) {
    equal(request.type, "unwrap", "asked of the KMS");
    return { dataKey: fromHex(dataKey) };
  },
});

async function plaintext(vector) {
  if (vector.plaintext !== undefined) return fromHex(vector.plaintext);
  const seed = fromHex(vector.plaintext_seed);
  const blocks = Array.from({ length: Math.ceil(vector.plaintext_len / 32) }, (_, number) => {
    const counted = new Uint8Array(seed.length + 8);
    counted.set(seed);
    new DataView(counted.buffer).setBigUint64(seed.length, BigInt(number));
    return crypto.subtle.digest("SHA-256", counted);
  });
  const made = concat((await Promise.all(blocks)).map((block) => new Uint8Array(block)));
  return made.subarray(0, vector.plaintext_len);
}

async function opener(vector) {
  const kf = await Keyfold.create({
    kms: knowing(vector.data_key),
    context: vector.expected_context ?? vector.context,
    cache: null,
    ...(vector.accepted_suites
      ? { suites: vector.accepted_suites.map((suite) => SUITES[suite]) }
      : {}),
  });
  return { kf, options: { keys: await keyring(vector), signers: await signers(vector) } };
}

async function signers(vector) {
  if (vector.any_signer) return "any";
  if (!vector.signers) return undefined;
  return Promise.all(vector.signers.map((signer) => PublicKey.fromDer(fromHex(signer))));
}

/** All the recipients there are, whatever their KMS; any other where that cannot be read. */
async function keyring(vector) {
  try {
    const { recipients } = await inspect(fromHex(vector.header));
    return { unwrap: recipients.map(({ key }) => key) };
  } catch (error) {
    check(isKeyfoldError(error), error);
    return "keyfold:any";
  }
}

function parts(vector) {
  const header = fromHex(vector.header);
  const body = concat([fromHex(vector.body), fromHex(vector.trailer ?? "")]);
  return vector.detached ? { header, data: body } : { data: concat([header, body]) };
}

/** The ways to open a whole envelope. */
const WAYS = {
  async whole({ kf, options }, { header, data }) {
    return kf.decrypt(data, { ...options, header });
  },
  // Some work is done otherwise when its progress is told.
  async told({ kf, options }, { header, data }) {
    return kf.decrypt(data, { ...options, header, onProgress: () => undefined });
  },
  async stream({ kf, options }, { header, data }, number) {
    const pieces = split(data, number, 5000);
    return collect(from(pieces).pipeThrough(kf.openStream({ ...options, header })));
  },
};

async function load(name, { start = 0, end = Infinity } = {}) {
  const answer = await fetch(`/vectors/${name}.json`);
  return (await answer.json()).slice(start, end);
}

/** Opens the valid vectors; answers how many. */
export async function validVectors({ seed, ...range }) {
  const vectors = await load("valid", range);
  const number = numbers(seed);
  for (const vector of vectors) {
    const expected = await plaintext(vector);
    for (const [name, way] of Object.entries(WAYS)) {
      const what = `${vector.name}, ${name}, seed ${seed}`;
      const opened = await way(await opener(vector), parts(vector), number).catch((error) => {
        throw new Error(what, { cause: error });
      });
      sameBytes(opened, expected, what);
    }
    const { header, data } = parts(vector);
    equal((await inspect(header ?? data)).suite, vector.suite, vector.name);
  }
  return vectors.length;
}

/** Reads parts of the valid vectors; answers how many. */
export async function vectorRanges() {
  const vectors = await load("valid");
  for (const vector of vectors) {
    const expected = await plaintext(vector);
    const { kf, options } = await opener(vector);
    const { header, data } = parts(vector);
    const { keys } = options;
    const opened = await kf.open(new Blob([data]), { keys, header, unprovenSignature: true });
    equal(opened.plaintextLength, expected.length, vector.name);
    const { length } = expected;
    for (const start of [0, 1, length >> 1, Math.max(0, length - 1), length]) {
      const end = start + 5000;
      sameBytes(await opened.read({ start, end }), expected.subarray(start, end), vector.name);
    }
    equal(await opened.verifyLength(), length, vector.name);
    opened.dispose();
  }
  return vectors.length;
}

/** Sees the hostile vectors refused, with their codes; answers how many. */
export async function hostileVectors({ seed, ...range }) {
  const vectors = await load("hostile", range);
  const number = numbers(seed);
  for (const vector of vectors) {
    for (const [name, way] of Object.entries(WAYS)) {
      const what = `${vector.name}, ${name}, seed ${seed}`;
      const open = async () => way(await wary(vector), parts(vector), number);
      await refused(open, vector.expect, what);
    }
  }
  return vectors.length;
}

/** keyfold takes keys for signers: bytes that are none cannot even be named. */
async function wary(vector) {
  try {
    return await opener(vector);
  } catch (error) {
    if (vector.expect !== "signature_invalid" || !vector.signers) throw error;
    await refused(() => signers(vector), "invalid_argument", vector.name);
    throw Object.assign(error, { code: "signature_invalid" });
  }
}
