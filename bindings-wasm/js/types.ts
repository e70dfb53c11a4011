/** Options and answers of the tasks. Bytes are given as any view or buffer, and answered as `Uint8Array`. */

import type { KeyUri, Kms } from "./kms.js";
import type { ContextContains } from "./context.js";
import type { PublicKey } from "./public_key.js";

/** Bytes: an `ArrayBuffer` or any view of one. They are not changed. */
export type Bytes = ArrayBuffer | ArrayBufferView;

/**
 * Which KMS keys wrap data keys, and which may unwrap them.
 *
 * - `{ generate, alsoWrap, alsoUnwrap, bindOnly }`: `generate` makes the data key, `alsoWrap` wrap
 *   it too, all of them and `alsoUnwrap` may open. `bindOnly` names the pairs of the context that
 *   are bound at the KMS as well; without it, all are.
 * - `{ unwrap }`: keys that only open.
 * - `{ discover }`: any key of that scheme (such as `"keyfold"`) that the caller may use opens.
 */
export type Keyring =
  | {
      readonly generate: KeyUri;
      readonly alsoWrap?: readonly KeyUri[];
      readonly alsoUnwrap?: readonly KeyUri[];
      readonly bindOnly?: readonly string[];
    }
  | { readonly unwrap: readonly KeyUri[] }
  | { readonly discover: string };

/** A key URI, several (the first makes data keys, the others wrap them too), or a keyring. */
export type Keys = KeyUri | readonly KeyUri[] | Keyring;

/** The encryption context: public pairs, bound to what is encrypted; at most 8192 bytes in all. */
export type Context = Readonly<Record<string, string>>;

/** The context that is demanded of what is opened: exactly, or in part. */
export type ContextDemand = Context | ContextContains;

/** The cipher of an envelope, by name. */
export type Suite = "AES-256-GCM" | "ChaCha20-Poly1305";

/** Whose signature is accepted: public keys, or `"any"` that the envelope itself names. */
export type Signers = PublicKey | readonly PublicKey[] | "any";

/** How far something is: bytes done, and bytes in all where that is known. */
export interface Progress {
  readonly done: number;
  readonly total: number | undefined;
}

/** What everything long takes. */
export interface LongOptions {
  /** Ends the work: the promise rejects with `cancelled`, whose `cause` is the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called now and then, and once at the end. What it throws ends the work. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** When a cached data key ends: at the first of these. */
export interface CacheLimits {
  /** Milliseconds; 300000 where absent. */
  maxAge?: number;
  /** Messages under one data key; 2^20 where absent. */
  maxMessages?: number;
  /** Bytes of plaintext under one data key; 2^36 where absent. */
  maxBytes?: number;
  /** Data keys kept at the same time; 1000 where absent. */
  maxEntries?: number;
}

/** How often the cache had the data key (`hits`), and how often the KMS was asked (`misses`). */
export interface CacheStats {
  readonly hits: number;
  readonly misses: number;
}

/** What {@link Keyfold.create} takes. */
export interface KeyfoldOptions {
  /** `remote(…)`, `embedded()`, or an object of yours. */
  kms: Kms;
  /** The keys of whatever names none. */
  keys?: Keys;
  /** The encryption context of whatever names none; the empty one where absent. */
  context?: Context;
  /** How long data keys are kept; `null` asks the KMS for every message. */
  cache?: CacheLimits | null;
  /** The suites that are accepted when something is opened; all where absent. */
  suites?: readonly Suite[];
  /**
   * Workers that run `keyfold/worker` and share the work on inputs of 512 KiB and more; none where
   * absent. A worker gets the keys of messages, as `CryptoKey`s that cannot be read, and never a
   * data key. They are yours to end, after the last call. Hosts whose cipher is no promise, such as
   * Node.js, have no use for them.
   */
  workers?: readonly Worker[];
}

/** What `encrypt` takes. */
export interface EncryptOptions extends LongOptions {
  /** Which KMS keys wrap the data key; those of the client where absent. */
  keys?: Keys | undefined;
  /** The encryption context; that of the client where absent. */
  context?: Context | undefined;
  /** The cipher; `"AES-256-GCM"` where absent. */
  suite?: Suite | undefined;
  /** The KMS key that signs the envelope; it is not signed where absent. */
  signer?: KeyUri | undefined;
}

/** What `sealStream` takes. */
export interface SealStreamOptions extends EncryptOptions {
  /**
   * How many bytes of plaintext will come, where that is known: only then the data key may come
   * from the cache. More or fewer bytes than that are `invalid_argument` at the end.
   */
  length?: number | undefined;
  /** Called once, with the header, which then is no part of the stream: a detached envelope. */
  onHeader?: ((header: Uint8Array<ArrayBuffer>) => void) | undefined;
}

/** What whatever opens an envelope takes. */
export interface DecryptOptions extends LongOptions {
  /** Which KMS keys may unwrap the data key; those of the client where absent. */
  keys?: Keys | undefined;
  /** The context that is demanded; that of the client where absent. */
  context?: ContextDemand | undefined;
  /** Whose signature is demanded. A signed envelope does not open without. */
  signers?: Signers | undefined;
  /** The header, where it is kept apart: the envelope is then the body alone. */
  header?: Bytes | undefined;
}

/** What `openStream` takes. */
export type OpenStreamOptions = DecryptOptions;

/** What `open` takes. */
export interface OpenOptions extends Omit<DecryptOptions, "signers" | "onProgress"> {
  /** Read parts of a signed envelope, with its signature unproven. */
  unprovenSignature?: boolean | undefined;
  /** How a URL is fetched; the host's `fetch` where absent. */
  fetch?: typeof fetch | undefined;
  /** Headers for each request of a URL, such as an authorization. */
  headers?: Readonly<Record<string, string>> | undefined;
}

/** A range of the plaintext, in bytes; `end` is exclusive, and the end of the file where absent. */
export interface ReadOptions {
  start?: number | undefined;
  end?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** Something that can be read at any place, such as an object in a store. */
export interface RangedSource {
  /** How many bytes there are. */
  readonly size: number;
  /** Reads `length` bytes from `offset` on; fewer only at the end. */
  readAt(offset: number, length: number, signal?: AbortSignal): Promise<Bytes> | Bytes;
  /** Called when the document is closed. */
  close?(): void;
}

/** Where parts are read from; a `URL` or its text is read with HTTP range requests. */
export type Source = Blob | Bytes | URL | string | RangedSource;

/** An envelope whose header is kept apart. */
export interface DetachedEnvelope {
  readonly header: Uint8Array<ArrayBuffer>;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** A wrapped data key in a header: all of it is public, and nothing of it authenticated. */
export interface RecipientInfo {
  /** The full name of the KMS key. */
  readonly key: KeyUri;
  /** Bytes of the wrapped data key. */
  readonly wrappedKeyLength: number;
  /** Names of the provider's parameters. */
  readonly parameters: readonly string[];
}

/** What a header says; none of it is authenticated. */
export interface EnvelopeInfo {
  /** The version of the format: 1. */
  readonly version: number;
  /** The number of the suite. */
  readonly suite: number;
  /** The cipher, by name. */
  readonly cipher: Suite;
  /** The encryption context. */
  readonly context: Readonly<Record<string, string>>;
  /** Who can open it. */
  readonly recipients: readonly RecipientInfo[];
  /** How it is signed; `undefined` where it is not. */
  readonly signature:
    | {
        /** Such as `"ECDSA_SHA_256"`. */
        readonly algorithm: SignatureAlgorithm;
        /** The kind of the signer's key. */
        readonly keySpec: KeySpec;
        /** Bytes of the signature, the last of the envelope. */
        readonly length: number;
        /** Who says to have signed: a public key in DER, or a key URI. A hint, not trust. */
        readonly signer: Uint8Array<ArrayBuffer> | KeyUri;
      }
    | undefined;
  /** Bytes of the header. */
  readonly headerLength: number;
  /** Bytes of the stable part of the header, which everything is bound to. */
  readonly stableLength: number;
  /** Bytes of body and signature, where the size of the whole is known. */
  readonly bodyLength: number | undefined;
  /** Bytes of the plaintext, likewise; `undefined` also where no whole body has that length. */
  readonly plaintextLength: number | undefined;
  /** Segments of the body, likewise. */
  readonly segments: number | undefined;
}

/** What kind of asymmetric key. */
export type KeySpec =
  | "RSA_2048"
  | "RSA_3072"
  | "RSA_4096"
  | "ECC_NIST_P256"
  | "ECC_NIST_P384"
  | "ECC_NIST_P521"
  | "ECC_SECG_P256K1"
  | "ECC_NIST_EDWARDS25519";

/** How something is signed. ECDSA signatures are ASN.1 DER. */
export type SignatureAlgorithm =
  | "RSASSA_PKCS1_V1_5_SHA_256"
  | "RSASSA_PKCS1_V1_5_SHA_384"
  | "RSASSA_PKCS1_V1_5_SHA_512"
  | "RSASSA_PSS_SHA_256"
  | "RSASSA_PSS_SHA_384"
  | "RSASSA_PSS_SHA_512"
  | "ECDSA_SHA_256"
  | "ECDSA_SHA_384"
  | "ECDSA_SHA_512"
  | "ED25519_SHA_512"
  | "ED25519_PH_SHA_512";
