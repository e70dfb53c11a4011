/** The one error type of keyfold, with stable codes that are the same in every language. */

/** Every code there is; docs/spec/errors.md says when each one is raised and what to do. */
export const ERROR_CODES = [
  "invalid_argument",
  "malformed_envelope",
  "unsupported_version",
  "unsupported_suite",
  "limit_exceeded",
  "truncated",
  "context_mismatch",
  "no_usable_key",
  "authentication_failed",
  "signature_invalid",
  "kms_denied",
  "kms_key_unavailable",
  "kms_throttled",
  "kms_unavailable",
  "kms_protocol",
  "secret_not_found",
  "version_conflict",
  "cancelled",
  "io",
  "internal",
] as const;

/** The stable code of an error. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * When the same call may succeed: `"never"`, `"later"` by itself, or `"after_change"` of a policy,
 * a credential, a key or a state.
 */
export type Retry = "never" | "later" | "after_change";

/** What a {@link KeyfoldError} knows beside its code and its text. */
export interface KeyfoldErrorOptions {
  /** What caused it: the exception of a KMS or a function of yours, or the reason of an abort. */
  cause?: unknown;
  /** Where it differs from what is usual for the code. */
  retry?: Retry;
  /** The earliest moment of another try, in milliseconds from now, where the KMS named one. */
  retryAfter?: number;
}

const LATER: readonly ErrorCode[] = ["kms_throttled", "kms_unavailable"];
const AFTER_CHANGE: readonly ErrorCode[] = [
  "no_usable_key",
  "kms_denied",
  "kms_key_unavailable",
  "version_conflict",
];

/**
 * Every failure of keyfold. Its text holds no key, plaintext, secret, context value or answer of a
 * server.
 *
 * ```ts
 * try {
 *   await kf.decrypt(envelope);
 * } catch (error) {
 *   if (isKeyfoldError(error) && error.code === "kms_denied") signInAgain();
 *   else throw error;
 * }
 * ```
 *
 * A KMS written in JavaScript throws it to say what happened.
 */
export class KeyfoldError extends Error {
  /** The stable code. */
  readonly code: ErrorCode;
  /** When the same call may succeed. */
  readonly retry: Retry;
  /** The earliest moment of another try, in milliseconds from the failure, where it is known. */
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, message: string = code, options: KeyfoldErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retry = options.retry ?? defaultRetry(code);
    this.retryAfter = options.retryAfter;
  }

  /** Whether the same call may succeed later, with nothing changed. */
  get retryable(): boolean {
    return this.retry === "later";
  }
}
Object.defineProperty(KeyfoldError.prototype, "name", { value: "KeyfoldError" });

function defaultRetry(code: ErrorCode): Retry {
  if (LATER.includes(code)) return "later";
  return AFTER_CHANGE.includes(code) ? "after_change" : "never";
}

/**
 * Whether a caught value is an error of keyfold: also one of another copy of this package, or from
 * another realm, which `instanceof` does not see.
 */
export function isKeyfoldError(error: unknown): error is KeyfoldError {
  if (error instanceof KeyfoldError) return true;
  if (typeof error !== "object" || error === null) return false;
  const { name, code } = error as { name?: unknown; code?: unknown };
  return name === "KeyfoldError" && (ERROR_CODES as readonly unknown[]).includes(code);
}
