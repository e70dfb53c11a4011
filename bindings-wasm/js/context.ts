import type { Context } from "./types.js";

/**
 * Demands only these pairs of the encryption context; others may be there as well.
 *
 * ```ts
 * await kf.decrypt(envelope, { context: new ContextContains({ tenant: "acme" }) });
 * ```
 */
export class ContextContains {
  /** The demanded pairs. */
  readonly pairs: Context;

  constructor(pairs: Context) {
    this.pairs = pairs;
  }
}
