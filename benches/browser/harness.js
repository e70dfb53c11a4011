/** Measuring in turns, as `benches/src/harness.rs` does; the same in a page and in Node. */

/**
 * How long to measure: `rounds` samples of each subject, each of at least `sample` milliseconds
 * (one call may take longer).
 */
export function effort(quick, size) {
  if (quick) return { rounds: 3, sample: 10 };
  return { rounds: size > 1 << 24 ? 9 : 21, sample: 50 };
}

/**
 * The median seconds of one call of each subject: an object of asynchronous functions by name.
 *
 * A round takes a sample of every subject, so that whatever slows the machine for a while slows all
 * of them.
 */
export async function inTurns(subjects, { rounds, sample }) {
  const names = Object.keys(subjects);
  const calls = {};
  const samples = {};
  for (const name of names) {
    samples[name] = [];
    calls[name] = 1;
    // Doubling also warms compilers and caches up.
    while ((await once(subjects[name], calls[name])) < sample) calls[name] *= 2;
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) {
      samples[name].push((await once(subjects[name], calls[name])) / calls[name]);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(samples[name]) / 1000]));
}

async function once(call, count) {
  // What another subject left behind is not this one's to collect.
  globalThis.gc?.();
  const begun = performance.now();
  for (let n = 0; n < count; n += 1) await call();
  return performance.now() - begun;
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Random bytes, of any length. */
export function random(length) {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65536));
  }
  return bytes;
}

/** Proves that a subject gives back what it was given. */
export function same(name, opened, plain) {
  const equal = opened.length === plain.length && opened.every((byte, at) => byte === plain[at]);
  if (!equal) throw new Error(`${name} has not given the message back`);
}
