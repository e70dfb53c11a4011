/** A stream that is longer than what may be in memory. */

import { check, client, equal, random } from "./check.js";

const MIB = 1 << 20;

/**
 * Seals and opens `size` bytes that are made on the fly. Answers the most bytes that were ever
 * between producer and consumer, and the memory of the page afterwards where that can be asked.
 */
export async function longStream({ size, ...server }) {
  const kf = await client(server);
  const block = random(MIB);
  const words = new Uint32Array(block.buffer);
  let produced = 0;
  let consumed = 0;
  let between = 0;
  const source = new ReadableStream({
    pull(out) {
      if (produced === size) return out.close();
      const part = block.slice(0, Math.min(MIB, size - produced));
      produced += part.length;
      between = Math.max(between, produced - consumed);
      out.enqueue(part);
    },
  });
  const sink = new WritableStream({
    write(part) {
      compare(part, consumed);
      consumed += part.length;
    },
  });
  // Pieces come out whole, but for the last: their places are multiples of four.
  const compare = (part, at) => {
    const found = new Uint32Array(part.buffer, part.byteOffset, part.length >> 2);
    for (let n = 0, word = (at % MIB) >> 2; n < found.length; n += 1, word += 1) {
      if (found[n] !== words[word % words.length]) throw new Error(`another word at ${at + 4 * n}`);
    }
  };
  await source.pipeThrough(kf.sealStream()).pipeThrough(kf.openStream()).pipeTo(sink);
  equal(consumed, size, "bytes that came out");
  const memory = (await performance.measureUserAgentSpecificMemory?.())?.bytes;
  return { between, memory };
}

/** A consumer that stops: answers how much was produced for it in all. */
export async function stoppedConsumer(server) {
  const kf = await client(server);
  const block = random(65_536);
  let produced = 0;
  const source = new ReadableStream({
    pull(out) {
      produced += block.length;
      check(produced <= 256 * MIB, "nothing holds the producer back");
      out.enqueue(block.slice());
    },
  });
  const reader = source.pipeThrough(kf.sealStream()).pipeThrough(kf.openStream()).getReader();
  let consumed = 0;
  while (consumed < 4 * MIB) consumed += (await reader.read()).value.length;
  // Quiet: a while in which nothing was produced.
  for (let before = -1; before !== produced;) {
    before = produced;
    await new Promise((resume) => setTimeout(resume, 300));
  }
  const between = produced - consumed;
  await reader.cancel();
  return between;
}
