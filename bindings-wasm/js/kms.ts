/** The seam behind which every KMS stands: one method, typed requests and answers. */

import type { SignatureAlgorithm } from "./types.js";

/**
 * Names one KMS key: `scheme:name`, such as `keyfold:alias/docs` or `aws:arn:aws:kms:…`; at most
 * 2048 printable ASCII characters.
 */
export type KeyUri = string;

/** A data key under a KMS key: public bytes, as they stand in an envelope. */
export interface WrappedKey {
  /** The full name of the KMS key. */
  key: KeyUri;
  /** The wrapped data key; 1 to 6144 bytes. */
  ciphertext: Uint8Array;
  /** What the KMS needs to unwrap it again; at most 4096 bytes in all. */
  parameters: Record<string, Uint8Array>;
}

/** A request to a KMS. Bytes named `dataKey`, `plaintext` and `value` are secret. */
export type KmsRequest =
  /** Make a data key of 32 bytes and wrap it. */
  | { type: "generateDataKey"; key: KeyUri; context: Record<string, string> }
  /** Wrap a data key made elsewhere. */
  | { type: "wrap"; key: KeyUri; dataKey: Uint8Array; context: Record<string, string> }
  /** Recover a data key; `key` where it must be of that KMS key. */
  | {
      type: "unwrap";
      wrapped: WrappedKey;
      context: Record<string, string>;
      key: KeyUri | undefined;
    }
  /** Wrap a data key under another key of the same KMS. */
  | {
      type: "rewrap";
      wrapped: WrappedKey;
      context: Record<string, string>;
      key: KeyUri | undefined;
      to: KeyUri;
    }
  /** Encrypt 1 to 4096 bytes under the KMS key itself. */
  | { type: "encrypt"; key: KeyUri; plaintext: Uint8Array; context: Record<string, string> }
  /** Decrypt what `encrypt` made. */
  | {
      type: "decrypt";
      key: KeyUri | undefined;
      ciphertext: Uint8Array;
      context: Record<string, string>;
    }
  /** Sign a message of at most 4096 bytes, or a digest. */
  | {
      type: "sign";
      key: KeyUri;
      algorithm: SignatureAlgorithm;
      message: Uint8Array;
      isDigest: boolean;
    }
  /** Verify; a wrong signature is refused with `signature_invalid`. */
  | {
      type: "verify";
      key: KeyUri;
      algorithm: SignatureAlgorithm;
      message: Uint8Array;
      isDigest: boolean;
      signature: Uint8Array;
    }
  /** The public half of an asymmetric KMS key. */
  | { type: "getPublicKey"; key: KeyUri }
  /** The full name behind an alias or a short name. */
  | { type: "resolveKey"; key: KeyUri }
  /** Store 1 to 65536 bytes, as a new version where the secret exists; `token` names the change. */
  | {
      type: "putSecret";
      name: string;
      value: Uint8Array;
      key: KeyUri | undefined;
      token: string;
    }
  /** Read a secret. */
  | {
      type: "getSecret";
      name: string;
      version: string | undefined;
      stage: string | undefined;
    };

/** The answer to each {@link KmsRequest}, by its `type`. */
export interface KmsResponses {
  generateDataKey: { dataKey: Uint8Array; wrapped: WrappedKey };
  wrap: { wrapped: WrappedKey };
  unwrap: { dataKey: Uint8Array };
  rewrap: { wrapped: WrappedKey };
  encrypt: { ciphertext: Uint8Array; key: KeyUri };
  decrypt: { plaintext: Uint8Array; key: KeyUri };
  /** In DER for ECDSA. */
  sign: { signature: Uint8Array };
  verify: Record<never, never>;
  /** SubjectPublicKeyInfo in DER, and the full name of the KMS key. */
  getPublicKey: { spki: Uint8Array; key: KeyUri };
  resolveKey: { key: KeyUri };
  putSecret: { version: string };
  getSecret: { value: Uint8Array; version: string };
}

/** Any answer of a KMS. */
export type KmsResponse = KmsResponses[KmsRequest["type"]];

/**
 * A KMS. `remote()` and `embedded()` make one; any object with `call` is one:
 *
 * ```ts
 * class Counting implements Kms {
 *   calls = 0;
 *   constructor(private readonly inner: Kms) {}
 *   call(request: KmsRequest, signal?: AbortSignal) {
 *     this.calls += 1;
 *     return this.inner.call(request, signal);
 *   }
 * }
 * ```
 *
 * It throws a {@link KeyfoldError} to say what happened; anything else that it throws counts as
 * `kms_unavailable` and becomes the `cause`. A request that it does not know it refuses with
 * `invalid_argument`.
 */
export interface Kms {
  /** Performs one operation. The signal fires when nobody waits for the answer any more. */
  call(request: KmsRequest, signal?: AbortSignal): Promise<KmsResponse> | KmsResponse;
  /**
   * Performs an operation of the AWS KMS or AWS Secrets Manager API by its name, for the management
   * of keys and secrets; a KMS without it has none. An operation without an answer answers `{}`.
   */
  operation?(
    name: string,
    body: Readonly<Record<string, unknown>>,
    signal?: AbortSignal,
  ): Promise<unknown>;
  /** The scheme of its keys; `"keyfold"` where absent. */
  readonly scheme?: string;
  /** Whether `CreateKey` takes the `AliasName` too, as it does at clouds. */
  readonly namesKeysAtOnce?: boolean;
}
