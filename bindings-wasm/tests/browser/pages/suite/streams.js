/** Streams: however they are cut, whatever becomes of them. */

import {
  check,
  client,
  collect,
  concat,
  equal,
  from,
  numbers,
  random,
  refused,
  sameBytes,
  split,
} from "./check.js";

const SEGMENT = 16 * 1024;

/** Lengths at the borders of segments and of batches of them, and around. */
const SIZES = [0, 1, SEGMENT, 32 * SEGMENT, 70 * SEGMENT].flatMap((size) =>
  [size - 1, size, size + 1].filter((near) => near >= 0),
);

/** Seals and opens in random splits; answers how many times. */
export async function randomSplits({ seed, ...server }) {
  const kf = await client(server);
  const number = numbers(seed);
  let done = 0;
  for (const size of new Set(SIZES)) {
    for (const mean of [size < 100_000 ? 50 : 3000, 40_000, 3_000_000]) {
      for (const options of [{}, { length: size }, { suite: "ChaCha20-Poly1305" }]) {
        const what = `${size} bytes in parts of about ${mean}, seed ${seed}`;
        const plain = random(size);
        const sealing = from(split(plain, number, mean)).pipeThrough(kf.sealStream(options));
        const sealed = await collect(sealing);
        const opening = from(split(sealed, number, mean)).pipeThrough(kf.openStream());
        sameBytes(await collect(opening), plain, what);
        sameBytes(await kf.decrypt(sealed), plain, `${what}, whole`);
        done += 1;
      }
    }
  }
  return done;
}

/** Signed and detached streams. */
export async function signedStreams(server) {
  const kf = await client(server);
  const signer = await kf.keys.create({ spec: "ECC_NIST_P256" });
  const signers = await kf.publicKey(signer);
  const plain = random(2_000_000);
  let header;
  const seal = kf.sealStream({ signer, onHeader: (bytes) => (header = bytes) });
  const body = await collect(from([plain]).pipeThrough(seal));
  const open = () => kf.openStream({ signers, header });
  sameBytes(await collect(from([body]).pipeThrough(open())), plain, "signed and detached");
  body[body.length - 1] ^= 1;
  const forged = () => collect(from([body]).pipeThrough(open()));
  await refused(forged, "signature_invalid", "another signature");
}

/** What is cut off or changed ends with an error, and nothing unproven has come out before. */
export async function damagedStreams({ seed, ...server }) {
  const kf = await client(server);
  const number = numbers(seed);
  const plain = random(20 * SEGMENT + 77);
  const sealed = await kf.encrypt(plain);
  for (let n = 0; n < 60; n += 1) {
    const changed = sealed.slice(0, n % 2 ? sealed.length : number(sealed.length));
    const place = number(sealed.length);
    if (n % 2) changed[place] ^= 1 << number(8);
    const what = n % 2 ? `changed at ${place}` : `cut at ${changed.length}`;
    const got = [];
    const sink = new WritableStream({ write: (part) => void got.push(part) });
    const source = from(split(changed, number, 30_000));
    try {
      await source.pipeThrough(kf.openStream()).pipeTo(sink);
    } catch (error) {
      equal(error.name, "KeyfoldError", `${what}: ${error?.stack}`);
      const opened = concat(got);
      sameBytes(opened, plain.subarray(0, opened.length), `${what}: what came out`);
      check(opened.length < plain.length, `${what}: all of it came out`);
      continue;
    }
    throw new Error(`${what}: opened, seed ${seed}`);
  }
  const less = from([plain]).pipeThrough(kf.sealStream({ length: plain.length + 1 }));
  await refused(() => collect(less), "invalid_argument", "fewer bytes than said");
}

/** An abort midway ends the stream, its source and its sink. */
export async function abortedStreams(server) {
  const kf = await client(server);
  const sealed = await kf.encrypt(random(1 << 20));
  for (const through of ["sealStream", "openStream"]) {
    const stop = new AbortController();
    let cancelledWith;
    let abortedWith;
    let produced = 0;
    const source = new ReadableStream({
      pull(out) {
        const part =
          through === "sealStream" ? random(65_536) : sealed.slice(produced, produced + 65_536);
        out.enqueue(part);
        produced += part.length;
        if (produced >= 4 * 65_536) stop.abort(new Error("enough"));
      },
      cancel: (reason) => void (cancelledWith = reason),
    });
    const sink = new WritableStream({ abort: (reason) => void (abortedWith = reason) });
    const piped = () => source.pipeThrough(kf[through]({ signal: stop.signal })).pipeTo(sink);
    const error = await refused(piped, "cancelled", through);
    equal(error.cause?.message, "enough", "the signal's reason");
    // The stream fails on both of its sides: whoever waits there is told.
    await Promise.resolve();
    equal(cancelledWith?.code, "cancelled", `${through}: the source`);
    equal(abortedWith?.code, "cancelled", `${through}: the sink`);
  }
  const never = { signal: AbortSignal.abort() };
  await refused(() => kf.encrypt(random(10), never), "cancelled", "aborted before");
  const stop = new AbortController();
  let told = 0;
  const onProgress = ({ done, total }) => {
    told += 1;
    equal(total, 32 << 20, "in all");
    if (done > 4 << 20) stop.abort();
  };
  const large = random(32 << 20);
  const long = () => kf.encrypt(large, { signal: stop.signal, onProgress });
  await refused(long, "cancelled", "a value, midway");
  check(told > 0 && told < 32, `told ${told} times`);
  // Nothing is left behind: the client goes on.
  sameBytes(await kf.decrypt(await kf.encrypt(large)), large, "afterwards");
}

/** Progress comes in order, and ends with everything. */
export async function progress(server) {
  const kf = await client(server);
  const plain = random(5_000_000);
  const seen = [];
  const onProgress = ({ done }) => seen.push(done);
  const ended = (what) => {
    check(
      seen.every((done, at) => at === 0 || done >= seen[at - 1]),
      `${what}: in order`,
    );
    check(seen.length > 1, `${what}: more than once`);
    equal(seen.splice(0).at(-1), plain.length, what);
  };
  const sealed = await kf.encrypt(plain, { onProgress });
  ended("encrypt");
  await kf.decrypt(sealed, { onProgress });
  ended("decrypt");
  await collect(
    from([plain.slice(0, 2e6), plain.slice(2e6)]).pipeThrough(kf.sealStream({ onProgress })),
  );
  ended("sealStream");
  await collect(from([sealed]).pipeThrough(kf.openStream({ onProgress })));
  ended("openStream");
}
