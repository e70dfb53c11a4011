/** Requests to a KMS without the module between. */

import { cancelled } from "./engine.js";
import { KeyfoldError, isKeyfoldError } from "./errors.js";
import type { Kms, KmsRequest, KmsResponse } from "./kms.js";

/** Asks a KMS; whatever it throws becomes a {@link KeyfoldError}. */
export async function ask(
  kms: Kms,
  request: KmsRequest,
  signal: AbortSignal | undefined,
): Promise<KmsResponse> {
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(cancelled(signal));
    signal?.addEventListener("abort", abort, { once: true });
  });
  // Raced below, unless nobody listens any more.
  aborted.catch(() => undefined);
  try {
    const answer = await Promise.race([kms.call(request, signal), aborted]);
    if (typeof answer !== "object" || answer === null) throw notAnAnswer();
    for (const name of MEMBERS[request.type]) if (!(name in answer)) throw notAnAnswer();
    return answer;
  } catch (error) {
    if (signal?.aborted) throw cancelled(signal);
    if (isKeyfoldError(error)) throw error;
    const message = "the KMS written in JavaScript failed";
    throw new KeyfoldError("kms_unavailable", message, { cause: error });
  } finally {
    if (abort) signal?.removeEventListener("abort", abort);
  }
}

/** What an answer has. */
const MEMBERS: Record<KmsRequest["type"], readonly string[]> = {
  generateDataKey: ["dataKey", "wrapped"],
  wrap: ["wrapped"],
  unwrap: ["dataKey"],
  rewrap: ["wrapped"],
  encrypt: ["ciphertext", "key"],
  decrypt: ["plaintext", "key"],
  sign: ["signature"],
  verify: [],
  getPublicKey: ["spki", "key"],
  resolveKey: ["key"],
  putSecret: ["version"],
  getSecret: ["value", "version"],
};

function notAnAnswer(): KeyfoldError {
  return new KeyfoldError("kms_protocol", "the KMS written in JavaScript answered something else");
}
