/** What differs between hosts: AES-GCM, SHA-256, and the verification of signatures. */

import type { Pool } from "./pool.js";
import type { KeySpec, SignatureAlgorithm } from "./types.js";

/** The AEAD of one message. */
export interface SegmentCipher {
  /**
   * Seals pieces of `length` bytes, the last possibly shorter, each under its nonce of 12 bytes, to
   * `out`, where each is followed by its tag.
   */
  seal(nonces: Uint8Array, data: Uint8Array, length: number, out: Uint8Array): Promise<void> | void;
  /** Opens what `seal` made, in pieces of `length` bytes with their tags. Throws where a tag is wrong. */
  open(nonces: Uint8Array, data: Uint8Array, length: number, out: Uint8Array): Promise<void> | void;
}

/** A signature for the host to verify; `r || s` for ECDSA. */
export interface Verification {
  readonly spki: Uint8Array<ArrayBuffer>;
  readonly spec: KeySpec;
  readonly algorithm: SignatureAlgorithm;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** A host. */
export interface Host {
  /**
   * AES-256-GCM under this key, whose bytes the host may wipe; `undefined` where it has none. The
   * pool is for hosts that have a use for it.
   */
  aes(
    key: Uint8Array<ArrayBuffer>,
    pool: Pool | undefined,
  ): Promise<SegmentCipher> | SegmentCipher | undefined;
  /** SHA-256 of each piece of `length` bytes, the last possibly shorter, one after another. */
  digests(data: Uint8Array, length: number): Promise<Uint8Array> | Uint8Array;
  /** The digest of a message, by its length in bytes: 32, 48 or 64. */
  digest(length: number, data: Uint8Array): Promise<Uint8Array> | Uint8Array;
  /** Whether the signature holds; `undefined` where the host cannot tell. */
  verify(signature: Verification): Promise<boolean | undefined> | boolean | undefined;
  /** Whether one small segment is sealed and opened faster by the host than in WebAssembly. */
  readonly small: SmallCipher | undefined;
  /** Bytes of plaintext up to which a value is sealed and opened within WebAssembly. */
  readonly insideLimit: number;
  /** Lets other work of the thread go on. */
  pause(): Promise<void>;
}

/** AES-256-GCM of one segment, at once. `key` holds 32 bytes of key and 12 of nonce. */
export interface SmallCipher {
  seal(key: Uint8Array, data: Uint8Array, out: Uint8Array): void;
  /** Throws where the tag is wrong. */
  open(key: Uint8Array, data: Uint8Array): Uint8Array<ArrayBuffer>;
}

let current: Host | undefined;

/** The entry of each host says which it is. */
export function setHost(host: Host): void {
  current = host;
}

/** This host. */
export function host(): Host {
  if (!current) throw new Error("no host");
  return current;
}
