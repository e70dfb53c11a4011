/** The entry `keyfold/worker`: what a worker of a page runs to share its work. */

import { outLength, run } from "./aes_web.js";
import type { FromWorker, ToWorker } from "./pool.js";

/** A worker's own global object, of which the types of pages know nothing. */
const self = globalThis as unknown as {
  postMessage(message: FromWorker, transfer: Transferable[]): void;
  addEventListener(
    type: "message",
    listener: (event: MessageEvent<ToWorker | undefined>) => void,
  ): void;
};

self.addEventListener("message", ({ data }) => {
  if (data?.keyfold === "hello") self.postMessage({ keyfold: "hello" }, []);
  if (data?.keyfold === "run") void work(data);
});

async function work({ number, key, segments }: ToWorker & { keyfold: "run" }): Promise<void> {
  const { data, nonces, length } = segments;
  const count = nonces.length / 12;
  // All pieces change by the length of a tag.
  const out = new Uint8Array(data.length + count * (outLength(segments) - length));
  try {
    await run(key, segments, out);
    self.postMessage({ keyfold: "done", number, out }, [out.buffer]);
  } catch {
    self.postMessage({ keyfold: "done", number, out: undefined }, []);
  }
}
