// The surface, for who builds on it before it is there: replaced by the sources themselves.
import type { KeyUri, Kms, KmsRequest, KmsResponse } from "./kms.js";
import type {
  Bytes, CacheStats, Context, DecryptOptions, DetachedEnvelope, EncryptOptions, EnvelopeInfo,
  KeyfoldOptions, Keys, OpenOptions, OpenStreamOptions, ReadOptions, SealStreamOptions,
  SignatureAlgorithm, Source,
} from "./types.js";
import type { PublicKey } from "./public_key.js";

export declare class Keyfold implements Disposable {
  static create(options: KeyfoldOptions): Promise<Keyfold>;
  readonly kms: Kms;
  readonly keys: KeyAdmin;
  readonly secrets: Secrets;
  encrypt(data: Bytes, options?: EncryptOptions): Promise<Uint8Array<ArrayBuffer>>;
  encryptDetached(data: Bytes, options?: EncryptOptions): Promise<DetachedEnvelope>;
  decrypt(envelope: Bytes, options?: DecryptOptions): Promise<Uint8Array<ArrayBuffer>>;
  sealStream(options?: SealStreamOptions): TransformStream<Bytes, Uint8Array<ArrayBuffer>>;
  openStream(options?: OpenStreamOptions): TransformStream<Bytes, Uint8Array<ArrayBuffer>>;
  open(source: Source, options?: OpenOptions): Promise<OpenedEnvelope>;
  /** Takes an envelope or a detached header; answers the same with other recipients. */
  rewrap(envelope: Bytes, options: { to: Keys; from?: Keys; signal?: AbortSignal }): Promise<Uint8Array<ArrayBuffer>>;
  addRecipients(envelope: Bytes, options: { keys: Keys; from?: Keys; signal?: AbortSignal }): Promise<Uint8Array<ArrayBuffer>>;
  removeRecipients(envelope: Bytes, options: { keys: KeyUri | readonly KeyUri[]; signal?: AbortSignal }): Promise<Uint8Array<ArrayBuffer>>;
  sign(message: Bytes, options: { key: KeyUri; algorithm?: SignatureAlgorithm; signal?: AbortSignal }): Promise<Uint8Array<ArrayBuffer>>;
  verify(message: Bytes, signature: Bytes, options: { key: KeyUri; algorithm?: SignatureAlgorithm; signal?: AbortSignal }): Promise<void>;
  publicKey(key: KeyUri, options?: { signal?: AbortSignal }): Promise<PublicKey>;
  resolve(key: KeyUri, options?: { signal?: AbortSignal }): Promise<KeyUri>;
  encryptSmall(data: Bytes, options?: { key?: KeyUri; context?: Context; signal?: AbortSignal }): Promise<Uint8Array<ArrayBuffer>>;
  decryptSmall(ciphertext: Bytes, options?: { key?: KeyUri; context?: Context; signal?: AbortSignal }): Promise<Uint8Array<ArrayBuffer>>;
  readonly cacheStats: CacheStats;
  clearCache(): void;
  /** Forgets every data key; later calls reject with `invalid_argument`. */
  dispose(): void;
  [Symbol.dispose](): void;
}

/** An envelope that is read in parts. */
export declare class OpenedEnvelope implements Disposable {
  /** Bytes of plaintext, as the source's size tells; `verifyLength` proves it. */
  readonly plaintextLength: number;
  readonly info: EnvelopeInfo;
  /** A range that reaches past the end answers what there is. */
  read(options?: ReadOptions): Promise<Uint8Array<ArrayBuffer>>;
  /** Opens the last segment, which proves the length; answers it. */
  verifyLength(options?: { signal?: AbortSignal }): Promise<number>;
  dispose(): void;
  [Symbol.dispose](): void;
}

export declare class Secret implements Disposable {
  readonly version: string | undefined;
  expose(): Uint8Array<ArrayBuffer>;
  exposeText(): string;
  dispose(): void;
  [Symbol.dispose](): void;
}

export interface SecretInfo { readonly name: string; readonly description: string; readonly deletion: Date | undefined }
export interface SecretVersion { readonly id: string; readonly stages: readonly string[]; readonly created: Date }

export declare class Secrets {
  /** Answers the version's id. */
  put(name: string, value: string | Bytes, options?: { key?: KeyUri; signal?: AbortSignal }): Promise<string>;
  get(name: string, options?: { version?: string; stage?: string; signal?: AbortSignal }): Promise<Secret>;
  list(options?: { all?: boolean; signal?: AbortSignal }): Promise<SecretInfo[]>;
  versions(name: string, options?: { all?: boolean; signal?: AbortSignal }): Promise<SecretVersion[]>;
  delete(name: string, options?: { days?: number; now?: boolean; signal?: AbortSignal }): Promise<Date>;
  restore(name: string, options?: { signal?: AbortSignal }): Promise<void>;
}

export interface KeyInfo {
  readonly key: KeyUri; readonly keyId: string; readonly spec: string; readonly usage: string;
  readonly state: string; readonly enabled: boolean; readonly description: string;
  readonly created: Date; readonly deletion: Date | undefined;
  readonly signingAlgorithms: readonly SignatureAlgorithm[];
}

/** `kf.keys`; also there without a client: `new KeyAdmin(kms)`. */
export declare class KeyAdmin {
  constructor(kms: Kms);
  create(options?: { alias?: string; spec?: string; usage?: string; description?: string; tags?: Record<string, string>; policy?: string; signal?: AbortSignal }): Promise<KeyUri>;
  describe(key: KeyUri): Promise<KeyInfo>;
  list(): Promise<KeyUri[]>;
  enable(key: KeyUri): Promise<void>;
  disable(key: KeyUri): Promise<void>;
  rotate(key: KeyUri): Promise<void>;
  setRotation(key: KeyUri, options: { days: number | null }): Promise<void>;
  setDescription(key: KeyUri, description: string): Promise<void>;
  /** Answers when the key ends. When it is gone, everything encrypted under it is lost for good. */
  scheduleDeletion(key: KeyUri, options?: { days?: number }): Promise<Date>;
  cancelDeletion(key: KeyUri): Promise<void>;
  createAlias(alias: string, key: KeyUri): Promise<void>;
  updateAlias(alias: string, key: KeyUri): Promise<void>;
  deleteAlias(alias: string): Promise<void>;
  /** Alias to the id of its key. */
  listAliases(key?: KeyUri): Promise<Record<string, string>>;
  tag(key: KeyUri, tags: Record<string, string>): Promise<void>;
  untag(key: KeyUri, names: readonly string[]): Promise<void>;
  listTags(key: KeyUri): Promise<Record<string, string>>;
  getPolicy(key: KeyUri): Promise<string>;
  putPolicy(key: KeyUri, policy: string): Promise<void>;
}

export interface AccessKey { readonly id: string; readonly secret: string; readonly sessionToken?: string }
export interface Token { readonly token: string; readonly expires?: Date }
export interface RemoteOptions {
  /** `https://HOST[:PORT]` (or `http://` on this machine), `keyfold://HOST[:PORT]`, `aws://REGION`. */
  url: string | URL;
  /** A bearer token, or a function that gets one: asked again when it expires or is refused. */
  token?: string | ((signal?: AbortSignal) => Promise<string | Token> | string | Token);
  /** An access key, or a function that gets one. */
  credentials?: AccessKey | ((signal?: AbortSignal) => Promise<AccessKey & { expires?: Date }>);
  region?: string;
  /** For one call with all its repetitions, in milliseconds; 60000 where absent. */
  timeout?: number;
  /** How often a call that failed for a while is repeated; 3 where absent. */
  retries?: number;
  fetch?: typeof fetch;
}
export declare function remote(options: RemoteOptions): Required<Pick<Kms, "call" | "operation" | "scheme">>;
/** In memory: gone with the page. For tests and demonstrations. */
export declare function embedded(): Required<Pick<Kms, "call" | "operation" | "scheme">>;
export declare function inspect(envelope: Bytes, options?: { size?: number }): Promise<EnvelopeInfo>;
export declare function maxEncryptedLength(plaintextLength: number): Promise<number>;
export declare const version: string;
export { KeyfoldError, isKeyfoldError } from "./errors.js";
export type { KeyUri, KmsRequest, KmsResponse };
