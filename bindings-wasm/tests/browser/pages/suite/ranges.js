/** Parts of envelopes: from a blob, and over HTTP from servers of every kind. */

import { check, client, equal, numbers, random, refused, sameBytes } from "./check.js";

const PATH = "/stored/ranges.kf";

async function stored(kf, size, path = PATH) {
  const plain = random(size);
  const sealed = await kf.encrypt(plain);
  const answer = await fetch(path, { method: "PUT", body: sealed });
  check(answer.ok, `the site answered ${answer.status}`);
  return { plain, sealed };
}

/** Bytes and requests that the site has answered since it was asked last. */
const traffic = async () => (await fetch("/traffic")).json();

/** Random parts, from everything that can be read from. */
export async function randomRanges({ seed, ...server }) {
  const kf = await client(server);
  const number = numbers(seed);
  for (const size of [0, 1, 16_384, 16_385, 5_000_000]) {
    const { plain, sealed } = await stored(kf, size);
    const sources = {
      bytes: sealed,
      blob: new Blob([sealed]),
      file: new File([sealed], "sealed"),
      text: PATH,
      URL: new URL(PATH, location.href),
    };
    for (const [name, source] of Object.entries(sources)) {
      const opened = await kf.open(source);
      equal(opened.plaintextLength, size, name);
      for (let n = 0; n < 12; n += 1) {
        const start = number(size + 1);
        const end = start + number(size + 100);
        const what = `${name}, ${start} to ${end} of ${size}, seed ${seed}`;
        sameBytes(await opened.read({ start, end }), plain.subarray(start, end), what);
      }
      sameBytes(await opened.read(), plain, `${name}, all of it`);
      equal(await opened.verifyLength(), size, name);
      opened.dispose();
      await refused(() => opened.read(), "invalid_argument", `${name}, disposed of`);
    }
  }
}

/** Only what holds the part is fetched, and a signal ends what is under way. */
export async function fewBytes(server) {
  const kf = await client(server);
  const { plain } = await stored(kf, 8_000_000);
  await traffic();
  const opened = await kf.open(PATH);
  const parts = [100, 4_000_000, 7_999_000];
  for (const start of parts) {
    const end = start + 1000;
    sameBytes(await opened.read({ start, end }), plain.subarray(start, end), `from ${start}`);
  }
  const { bytes, requests } = await traffic();
  check(requests <= 1 + parts.length, `${requests} requests`);
  check(bytes <= 32_768 + parts.length * 2 * 16_400, `${bytes} bytes`);
  const stop = new AbortController();
  const { signal } = stop;
  const stuck = opened.read({ start: 1_000_000, end: 2_000_000, signal });
  stop.abort();
  await refused(() => stuck, "cancelled", "a read");
  const stalled = await kf.open(`${PATH}?fault=stall&later`);
  const other = new AbortController();
  const reading = stalled.read({ start: 1_000_000, end: 2_000_000, signal: other.signal });
  setTimeout(() => other.abort(), 50);
  await refused(() => reading, "cancelled", "a read that gets no answer");
}

/** Servers that do not what they should. */
export async function faultyServers(server) {
  const kf = await client(server);
  const { plain } = await stored(kf, 3_000_000);
  const open = (fault) => kf.open(`${PATH}?fault=${fault}`);
  // From the first answer on.
  for (const fault of ["ignore", "none", "status", "other", "unsaid"]) {
    await refused(() => open(fault), "io", fault);
  }
  // Later, when it has told what there is.
  for (const fault of [
    "ignore",
    "etag",
    "modified",
    "size",
    "cut",
    "less",
    "more",
    "other",
    "status",
  ]) {
    const opened = await open(`${fault}&later`);
    const read = () => opened.read({ start: 1_000_000, end: 1_100_000 });
    await refused(read, "io", `${fault}, later`);
    // It did so once, and what was opened goes on.
    sameBytes(await read(), plain.subarray(1_000_000, 1_100_000), `after ${fault}`);
  }
  // Bytes of another envelope, or turned ones, are no matter of transport.
  const opened = await open("turned&later");
  const read = () => opened.read({ start: 1_000_000, end: 1_100_000 });
  await refused(read, "authentication_failed", "turned");
}
