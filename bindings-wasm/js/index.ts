/**
 * Client-side encryption, envelopes and signatures under keys that stay in a KMS.
 *
 * {@link Keyfold} does the six tasks; {@link remote}, {@link embedded} or an object of yours is its
 * {@link Kms}.
 */

export { ContextContains } from "./context.js";
export { EmbeddedKms, embedded } from "./embedded.js";
export {
  ERROR_CODES,
  type ErrorCode,
  KeyfoldError,
  type KeyfoldErrorOptions,
  type Retry,
  isKeyfoldError,
} from "./errors.js";
export { inspect, maxEncryptedLength } from "./inspect.js";
export { Keyfold } from "./keyfold.js";
export { type CallOptions, type CreateKeyOptions, KeyAdmin, type KeyInfo } from "./keys.js";
export type { KeyUri, Kms, KmsRequest, KmsResponse, KmsResponses, WrappedKey } from "./kms.js";
export { OpenedEnvelope } from "./opened.js";
export { PublicKey } from "./public_key.js";
export { type AccessKey, RemoteKms, type RemoteOptions, type Token, remote } from "./remote.js";
export { Secret, type SecretInfo, type SecretVersion, Secrets } from "./secrets.js";
export type * from "./types.js";
export { version } from "./version.js";
