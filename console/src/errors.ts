/** What went wrong, in words, beside its code. */

import { isKeyfoldError, type ErrorCode } from "keyfold";

import { ApiError } from "./api";
import { SignedOut } from "./session";

/** That something in a form does not fit, found before anybody was asked. */
export class FormError extends Error {
  override readonly name = "FormError";
}

/** An error as the page tells it. */
export interface Told {
  /** The stable code. */
  readonly code: string;
  /** What happened, and what can be done. */
  readonly words: string;
  /** What the server or the core said of this one. */
  readonly detail: string | undefined;
  /** By which log and audit chain name the request. */
  readonly requestId: string | undefined;
}

const CORE: Record<ErrorCode, string> = {
  invalid_argument: "Something in the form does not fit.",
  malformed_envelope: "This is not an envelope of keyfold, or its header is damaged.",
  unsupported_version: "The envelope was made by a newer keyfold.",
  unsupported_suite: "The envelope uses a cipher that is not accepted here.",
  limit_exceeded: "This is larger than keyfold allows.",
  truncated: "The end of the envelope is missing: it was cut off, or is still being written.",
  context_mismatch: "The encryption context is not the one that the envelope was made with.",
  no_usable_key: "None of the keys that can open this envelope may be used by you here.",
  authentication_failed: "It does not open: it was changed, or the key or context is another.",
  signature_invalid: "The signature does not hold.",
  kms_denied: "The KMS refuses: you may not do this, or the key does not exist.",
  kms_key_unavailable: "The key cannot be used now: it is disabled or waits for its deletion.",
  kms_throttled: "Too many requests at once. Try again in a moment.",
  kms_unavailable: "The server does not answer. Try again when it does.",
  kms_protocol: "The server answered what this page does not understand.",
  secret_not_found: "There is no such secret.",
  version_conflict: "Somebody else changed it in the meantime. Look again, then repeat.",
  cancelled: "Cancelled.",
  io: "The file cannot be read or written.",
  internal: "This page met a fault of its own.",
};

const SERVER: Record<string, string> = {
  AccessDeniedException: "You may not do this with this token.",
  AlreadyExistsException: "That name is taken.",
  DependencyTimeoutException: "The server's database does not answer. Try again in a moment.",
  DisabledException: "The key is disabled. Enable it first.",
  IncorrectKeyException: "This was encrypted under another key.",
  InvalidAliasNameException: "This cannot be the name of an alias.",
  InvalidCiphertextException:
    "It does not decrypt: it was changed, or the key or context is another.",
  InvalidKeyUsageException: "A key of this kind cannot do that.",
  InvalidParameterException: "Something in the form does not fit.",
  InvalidRequestException: "The secret is not in a state for this.",
  KeyUnavailableException: "The server is sealed: its root key is not open yet.",
  KMSInvalidStateException: "The key is not in a state for this.",
  LimitExceededException: "A limit is reached.",
  NotFoundException: "There is nothing of that name.",
  ResourceExistsException: "That name is taken.",
  ResourceNotFoundException: "There is nothing of that name.",
  ThrottlingException: "Too many requests at once. Try again in a moment.",
  Unreachable: "The server does not answer. Try again when it does.",
  ValidationException: "Something in the form does not fit.",
};

/** Whether it only says that somebody wanted it to end. */
export function isCancelled(error: unknown): boolean {
  if (isKeyfoldError(error)) return error.code === "cancelled";
  return error instanceof DOMException && error.name === "AbortError";
}

/** Tells of whatever was thrown. */
export function tell(error: unknown): Told {
  if (isKeyfoldError(error)) {
    return told(error.code, CORE[error.code], error.message);
  }
  if (error instanceof ApiError) {
    const words = SERVER[error.code] ?? "The server refuses this.";
    return { ...told(error.code, words, error.message), requestId: error.requestId };
  }
  if (error instanceof FormError) {
    return told("invalid_argument", CORE.invalid_argument, error.message);
  }
  if (error instanceof SignedOut) return told("signed_out", "You have signed out.");
  if (isCancelled(error)) return told("cancelled", CORE.cancelled);
  if (error instanceof DOMException) return told(error.name, CORE.io, error.message);
  return told("internal", CORE.internal, error instanceof Error ? error.message : undefined);
}

function told(code: string, words: string, detail?: string): Told {
  return { code, words, detail: detail || undefined, requestId: undefined };
}
