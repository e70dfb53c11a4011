/** keyfold over the embedded KMS. */

import { Keyfold, KeyAdmin, embedded } from "keyfold";

/** A client whose data key is not replaced while it is measured. */
export async function client(options = {}) {
  const kms = embedded();
  const key = await new KeyAdmin(kms).create({ alias: "alias/bench" });
  const cache = { maxAge: 3_600_000, maxMessages: 2 ** 32, maxBytes: 2 ** 46 };
  return Keyfold.create({ kms, keys: key, context: { tenant: "acme" }, cache, ...options });
}

/** A worker of the pool, once it is ready. */
function worker() {
  const made = new Worker(new URL("./pool_worker.js", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    made.onerror = reject;
    made.onmessage = () => resolve(made);
    made.postMessage({ keyfold: "hello" });
  });
}

/** With so many workers. */
export function messages(count = 0) {
  return async (plain) => {
    const workers = await Promise.all(Array.from({ length: count }, worker));
    const kf = await client({ workers });
    const sealed = await kf.encrypt(plain);
    return {
      encrypt: () => kf.encrypt(plain),
      decrypt: () => kf.decrypt(sealed),
      end: () => {
        kf.dispose();
        for (const worker of workers) worker.terminate();
      },
    };
  };
}
