/** keyfold over the embedded KMS. */

import { Keyfold, KeyAdmin, embedded } from "keyfold";

/** A client whose data key is not replaced while it is measured. */
export async function client(options = {}) {
  const kms = embedded();
  const key = await new KeyAdmin(kms).create({ alias: "alias/bench" });
  const cache = { maxAge: 3_600_000, maxMessages: 2 ** 32, maxBytes: 2 ** 46 };
  return Keyfold.create({ kms, keys: key, context: { tenant: "acme" }, cache, ...options });
}

/** With so many workers. */
export function messages(workers = 0) {
  return async (plain) => {
    const kf = await client({ workers });
    const sealed = await kf.encrypt(plain);
    return {
      encrypt: () => kf.encrypt(plain),
      decrypt: () => kf.decrypt(sealed),
      end: () => kf.dispose(),
    };
  };
}
