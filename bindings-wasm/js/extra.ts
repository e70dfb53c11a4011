/** The second module: the embedded KMS, and verification of what the host cannot verify. */

import type * as Extra from "./extra_module.js";

let loading: Promise<typeof Extra> | undefined;

/** Loads it, which fetches another file. */
export async function extra(): Promise<typeof Extra> {
  loading ??= import("./extra_module.js").catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  const module = await loading;
  await module.load();
  return module;
}
