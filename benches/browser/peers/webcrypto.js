/**
 * The bare cipher of WebCrypto in pieces of 16 KiB, into one buffer: no peer, for nothing is
 * wrapped or derived or bound, but what can be reached at most.
 */

const PIECE = 16 * 1024;
const TAG = 16;

const makeKey = () =>
  crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);

/** All of `data`, with so many pieces under way at the same time. */
async function through(key, what, data, inFlight) {
  const [length, outLength] = what === "encrypt" ? [PIECE, PIECE + TAG] : [PIECE + TAG, PIECE];
  const count = Math.ceil(data.length / length);
  const out = new Uint8Array(data.length + count * (outLength - length));
  let next = 0;
  const one = async () => {
    while (next < count) {
      const at = next++;
      const iv = new Uint8Array(12);
      new DataView(iv.buffer).setUint32(8, at);
      const piece = data.subarray(at * length, (at + 1) * length);
      const made = await crypto.subtle[what]({ name: "AES-GCM", iv }, key, piece);
      out.set(new Uint8Array(made), at * outLength);
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, one));
  return out;
}

export function messages(inFlight) {
  return async (plain) => {
    const key = await makeKey();
    const sealed = await through(key, "encrypt", plain, inFlight);
    return {
      encrypt: () => through(key, "encrypt", plain, inFlight),
      decrypt: () => through(key, "decrypt", sealed, inFlight),
    };
  };
}

/** What workers can gain at most: each does its part of the message with nothing handed over. */
export function alone(count) {
  return async (plain) => {
    const workers = Array.from(
      { length: count },
      () => new Worker(new URL("./webcrypto_worker.js", import.meta.url), { type: "module" }),
    );
    const each = (message) =>
      Promise.all(
        workers.map(
          (worker) =>
            new Promise((resolve, reject) => {
              worker.onerror = reject;
              worker.onmessage = resolve;
              worker.postMessage(message);
            }),
        ),
      );
    await each({ what: "begin", size: Math.floor(plain.length / count) });
    return {
      encrypt: () => each({ what: "encrypt" }),
      decrypt: () => each({ what: "decrypt" }),
      end: () => workers.forEach((worker) => worker.terminate()),
    };
  };
}

/** What such a worker runs. */
export function serve() {
  let key;
  const data = {};
  onmessage = async ({ data: { what, size } }) => {
    if (what === "begin") {
      key = await makeKey();
      data.encrypt = new Uint8Array(size);
      data.decrypt = await through(key, "encrypt", data.encrypt, 8);
    } else {
      await through(key, what, data[what], 8);
    }
    postMessage("done");
  };
}
