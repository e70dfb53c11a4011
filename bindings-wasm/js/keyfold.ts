import { ask } from "./ask.js";
import { concat, text, view } from "./bytes.js";
import {
  type Begun,
  Handle,
  glue,
  guard,
  load,
  running,
  settle,
  throwIfAborted,
} from "./engine.js";
import { KeyfoldError } from "./errors.js";
import { infoOf, readHeader, tryHeader } from "./header.js";
import { host } from "./host.js";
import { type CallOptions, KeyAdmin } from "./keys.js";
import type { KeyUri, Kms, KmsRequest, KmsResponses } from "./kms.js";
import {
  PREFIX,
  SEGMENT,
  authenticationFailed,
  cipherOf,
  openWhole,
  sealWhole,
} from "./message.js";
import { OpenedEnvelope } from "./opened.js";
import { Pool } from "./pool.js";
import { PublicKey } from "./public_key.js";
import { Secrets } from "./secrets.js";
import { readExactly, sourceOf } from "./source.js";
import { type Said, Specs } from "./spec.js";
import { OpenMachine, SealMachine } from "./streams.js";
import type {
  Bytes,
  CacheLimits,
  CacheStats,
  Context,
  DecryptOptions,
  DetachedEnvelope,
  EncryptOptions,
  KeyfoldOptions,
  Keys,
  OpenOptions,
  OpenStreamOptions,
  SealStreamOptions,
  SignatureAlgorithm,
  Signers,
  Source,
} from "./types.js";

/** How the module seals and opens. */
const INSIDE = 0;
const ONE = 1;
const HOST = 2;

const NOTHING = new Uint8Array();

interface Core {
  readonly client: Handle<glue.Client>;
  readonly specs: Specs;
}

/**
 * Encrypts, decrypts, signs and keeps secrets under the keys of one KMS.
 *
 * ```ts
 * const kf = await Keyfold.create({ kms: embedded() });
 * const docs = await kf.keys.create({ alias: "alias/docs" });
 * const options = { keys: docs, context: { tenant: "acme" } };
 * const envelope = await kf.encrypt(new TextEncoder().encode("hello"), options);
 * const plaintext = await kf.decrypt(envelope, options);
 * ```
 *
 * Every promise rejects with a {@link KeyfoldError}.
 */
export class Keyfold implements Disposable {
  /** The KMS that it was made with. */
  readonly kms: Kms;
  /** The management of KMS keys, where the KMS has it. */
  readonly keys: KeyAdmin;
  /** The password safe of the KMS. */
  readonly secrets: Secrets;
  readonly #options: KeyfoldOptions;
  readonly #pool: Pool | undefined;
  #core: Core | undefined;
  #disposed = false;
  readonly #algorithms = new Map<KeyUri, SignatureAlgorithm>();

  private constructor(options: KeyfoldOptions) {
    this.#options = { ...options };
    this.#pool = options.workers?.length ? new Pool(options.workers) : undefined;
    this.kms = options.kms;
    this.keys = new KeyAdmin(options.kms);
    this.secrets = new Secrets(options.kms, this.#ask.bind(this));
  }

  /**
   * Makes one. Nothing is sent yet.
   *
   * Errors: `invalid_argument` for options of another form; `internal` where WebAssembly does not
   * start, as under a content security policy without `wasm-unsafe-eval`.
   */
  static async create(options: KeyfoldOptions): Promise<Keyfold> {
    if (typeof options?.kms?.call !== "function") {
      throw new KeyfoldError("invalid_argument", "`kms` is remote(…), embedded(), or has `call`");
    }
    await load();
    const made = new Keyfold(options);
    // What is wrong with keys and context is told now.
    made.#spec({});
    return made;
  }

  /** How often the cache had the data key. */
  get cacheStats(): CacheStats {
    const [hits, misses] = this.#module().client.use((client) => client.cacheStats()) as [
      number,
      number,
    ];
    return { hits, misses };
  }

  /** Forgets every data key. */
  clearCache(): void {
    this.#module().client.use((client) => client.clearCache());
  }

  /** Forgets every data key for good: later calls are `invalid_argument`. */
  dispose(): void {
    this.#disposed = true;
    this.#core?.client.free();
    this.#core = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * Encrypts a value: the envelope.
   *
   * Errors: the `kms_*` codes, `invalid_argument`, `limit_exceeded`, `cancelled`.
   */
  async encrypt(data: Bytes, options: EncryptOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = view(data);
    const { signal, signer, suite } = options;
    throwIfAborted(signal);
    if (signer === undefined && options.onProgress === undefined) {
      const { small, insideLimit } = host();
      if (small && bytes.length < SEGMENT && suite !== "ChaCha20-Poly1305") {
        const begun = this.#seal(ONE, NOTHING, bytes.length, options);
        const parts = (begun instanceof Promise ? await begun : begun) as Uint8Array;
        const at = parts.length - 44;
        const envelope = new Uint8Array(at + bytes.length + 16);
        envelope.set(parts.subarray(0, at));
        small.seal(parts.subarray(at), bytes, envelope.subarray(at));
        parts.fill(0, at);
        return envelope;
      }
      if (bytes.length <= insideLimit) {
        return (await this.#seal(INSIDE, bytes, bytes.length, options)) as Uint8Array<ArrayBuffer>;
      }
    }
    const sealing = (await this.#seal(HOST, NOTHING, bytes.length, options)) as glue.Sealing;
    return (await sealWhole(new Handle(sealing), bytes, options, this.#pool)).whole;
  }

  /** As {@link Keyfold.encrypt}, with the header apart from the body. */
  async encryptDetached(data: Bytes, options: EncryptOptions = {}): Promise<DetachedEnvelope> {
    const bytes = view(data);
    throwIfAborted(options.signal);
    const sealing = (await this.#seal(HOST, NOTHING, bytes.length, options)) as glue.Sealing;
    const { header, whole } = await sealWhole(new Handle(sealing), bytes, options, this.#pool);
    return { header, body: whole.slice(header.length) };
  }

  /**
   * Decrypts an envelope. Nothing is given out before all of it is proven, the signature included.
   *
   * Errors: what its bytes are wrong in (`malformed_envelope`, `truncated`, `unsupported_version`,
   * `unsupported_suite`, `limit_exceeded`), `context_mismatch`, `no_usable_key`,
   * `authentication_failed`, `signature_invalid`, `invalid_argument` for a signed envelope without
   * `signers`, `cancelled`.
   */
  async decrypt(envelope: Bytes, options: DecryptOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = view(envelope, "the envelope");
    const { signal, signers, header } = options;
    throwIfAborted(signal);
    if (signers === undefined && header === undefined && options.onProgress === undefined) {
      const { small, insideLimit } = host();
      // Shorter than a sealed segment: there is but one.
      if (small && bytes.length < SEGMENT + 16 + PREFIX) {
        const begun = this.#open(ONE, bytes, bytes.length, options);
        const made = (begun instanceof Promise ? await begun : begun) as Uint8Array | [Uint8Array];
        if (Array.isArray(made)) return made[0] as Uint8Array<ArrayBuffer>;
        const at = new DataView(made.buffer, made.byteOffset + 44).getUint32(0);
        try {
          return small.open(made, bytes.subarray(at));
        } catch (error) {
          throw authenticationFailed(error);
        } finally {
          made.fill(0, 0, 32);
        }
      }
      if (bytes.length <= insideLimit) {
        return (await this.#open(INSIDE, bytes, bytes.length, options)) as Uint8Array<ArrayBuffer>;
      }
    }
    const start = header === undefined ? bytes : view(header, "the header");
    const { reader, length } = readHeader(start);
    try {
      const body = header === undefined ? bytes.subarray(length) : bytes;
      const total = length + body.length;
      const info = infoOf(reader, total);
      // All of a detached header: the module tells whether something follows it.
      const exact = header === undefined ? start.subarray(0, length) : start;
      const opened = await this.#open(HOST, exact, total, options);
      const unlocked = new Handle(opened as glue.Unlocked);
      return await openWhole(unlocked, body, info.plaintextLength ?? 0, options, this.#pool);
    } finally {
      reader.free();
    }
  }

  /**
   * Encrypts whatever is piped through it. What is not ended does not open.
   *
   * ```ts
   * await file.stream().pipeThrough(kf.sealStream()).pipeTo(sink);
   * ```
   */
  sealStream(options: SealStreamOptions = {}): TransformStream<Bytes, Uint8Array<ArrayBuffer>> {
    const start = async (signal: AbortSignal | undefined): Promise<Handle<glue.Sealing>> => {
      const begun = this.#seal(HOST, NOTHING, options.length, { ...options, signal });
      return new Handle((await begun) as glue.Sealing);
    };
    return new SealMachine(start, options, this.#pool).stream();
  }

  /**
   * Decrypts whatever is piped through it. Each segment is proven before it comes out, and the
   * whole, with its signature, only when the stream ends without an error: discard what came out
   * of one that failed.
   */
  openStream(options: OpenStreamOptions = {}): TransformStream<Bytes, Uint8Array<ArrayBuffer>> {
    const start = async (
      header: Uint8Array,
      signal: AbortSignal | undefined,
    ): Promise<Handle<glue.Unlocked>> => {
      const begun = this.#open(HOST, header, undefined, { ...options, signal });
      return new Handle((await begun) as glue.Unlocked);
    };
    return new OpenMachine(start, options, this.#pool).stream();
  }

  /**
   * Opens an envelope to read parts of it: a `Blob` or `File`, a URL that is read with HTTP range
   * requests, bytes, or any object with `size` and `readAt`.
   *
   * Errors: as {@link Keyfold.decrypt}, and `io` where the source fails.
   */
  async open(source: Source, options: OpenOptions = {}): Promise<OpenedEnvelope> {
    const { signal } = options;
    throwIfAborted(signal);
    const from = await sourceOf(source, options);
    const detached = options.header === undefined ? undefined : view(options.header, "the header");
    let first = await readExactly(from, 0, Math.min(from.size, 8192), signal);
    let read = tryHeader(detached ?? first);
    if (!read || (!detached && first.length < read.length + PREFIX)) {
      // A header is seldom longer; it has at most 64 KiB.
      first = await readExactly(from, 0, Math.min(from.size, 65_536 + PREFIX), signal);
      read?.reader.free();
      read = readHeader(detached ?? first);
    }
    const { reader, length } = read;
    try {
      const body = detached ? 0 : length;
      const info = infoOf(reader, length + from.size - body);
      const header = detached ?? first.slice(0, length);
      const signed = options.unprovenSignature && info.signature !== undefined;
      const asked = { ...options, ...(signed ? { signers: "any" as const } : {}) };
      const opened = (await this.#open(HOST, header, undefined, asked)) as glue.Unlocked;
      const unlocked = new Handle(opened);
      const prefix = first.subarray(body, body + PREFIX);
      const ranges = new Handle(
        unlocked.use((unlocked) => unlocked.ranges(prefix, from.size - body)),
      );
      unlocked.free();
      const cipher = await cipherOf(new Handle(ranges.use((ranges) => ranges.key())), this.#pool);
      return new OpenedEnvelope(info, from, ranges, cipher, body);
    } finally {
      reader.free();
    }
  }

  /**
   * Hands an envelope over to other KMS keys, without touching its body and without revealing the
   * data key; signatures stay valid. Takes an envelope or a detached header, and answers the same
   * with other recipients.
   *
   * @param options - `to` names the new keys, `from` those that may open it now; the client's own
   * where absent.
   */
  async rewrap(
    envelope: Bytes,
    options: CallOptions & { to: Keys; from?: Keys | undefined },
  ): Promise<Uint8Array<ArrayBuffer>> {
    return this.#recipients(0, envelope, options.from, options.to, options);
  }

  /** As {@link Keyfold.rewrap}, beside the recipients that there are. */
  async addRecipients(
    envelope: Bytes,
    options: CallOptions & { keys: Keys; from?: Keys | undefined },
  ): Promise<Uint8Array<ArrayBuffer>> {
    return this.#recipients(1, envelope, options.from, options.keys, options);
  }

  /**
   * Removes the recipients under these keys. Whoever has opened the envelope before can still open
   * its body: this is no revocation.
   */
  async removeRecipients(
    envelope: Bytes,
    options: CallOptions & { keys: KeyUri | readonly KeyUri[] },
  ): Promise<Uint8Array<ArrayBuffer>> {
    return this.#recipients(2, envelope, undefined, options.keys, options);
  }

  /** Signs a message in the KMS; the signature is in ASN.1 DER for ECDSA. */
  async sign(
    message: Bytes,
    options: CallOptions & { key: KeyUri; algorithm?: SignatureAlgorithm | undefined },
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { key, signal } = options;
    const bytes = view(message, "the message");
    const algorithm = options.algorithm ?? (await this.#algorithm(key, options));
    const length = guard(() => glue.digestLength(algorithm, bytes.length));
    const isDigest = length > 0;
    const signed = isDigest ? await host().digest(length, bytes) : bytes.slice();
    const request = { type: "sign", key, algorithm, message: signed, isDigest } as const;
    return (await this.#ask(request, signal)).signature as Uint8Array<ArrayBuffer>;
  }

  /**
   * Verifies a signature with the public half of a KMS key, which is asked for; one that does not
   * hold rejects with `signature_invalid`. {@link PublicKey.verify} needs no KMS.
   */
  async verify(
    message: Bytes,
    signature: Bytes,
    options: CallOptions & { key: KeyUri; algorithm?: SignatureAlgorithm | undefined },
  ): Promise<void> {
    const key = await this.publicKey(options.key, options);
    await key.verify(message, signature, { algorithm: options.algorithm });
  }

  /** The public half of a KMS key. */
  async publicKey(key: KeyUri, options: CallOptions = {}): Promise<PublicKey> {
    const { spki } = await this.#ask({ type: "getPublicKey", key }, options.signal);
    return PublicKey.fromDer(spki);
  }

  /** The full name of a KMS key, as envelopes have it. */
  async resolve(key: KeyUri, options: CallOptions = {}): Promise<KeyUri> {
    return (await this.#ask({ type: "resolveKey", key }, options.signal)).key;
  }

  /** Encrypts 1 to 4096 bytes under the KMS key itself; `key` is the client's first where absent. */
  async encryptSmall(
    data: Bytes,
    options: CallOptions & { key?: KeyUri | undefined; context?: Context | undefined } = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const key = options.key ?? this.#firstKey();
    const plaintext = view(data).slice();
    if (plaintext.length > 4096) {
      const message = "a KMS key encrypts at most 4096 bytes itself";
      throw new KeyfoldError("limit_exceeded", message);
    }
    const context = this.#context(options.context);
    try {
      const answer = await this.#ask({ type: "encrypt", key, plaintext, context }, options.signal);
      return answer.ciphertext as Uint8Array<ArrayBuffer>;
    } finally {
      plaintext.fill(0);
    }
  }

  /** Decrypts what {@link Keyfold.encryptSmall} made; `key` where it must be of that KMS key. */
  async decryptSmall(
    data: Bytes,
    options: CallOptions & { key?: KeyUri | undefined; context?: Context | undefined } = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const ciphertext = view(data).slice();
    const context = this.#context(options.context);
    const request = { type: "decrypt", key: options.key, ciphertext, context } as const;
    return (await this.#ask(request, options.signal)).plaintext as Uint8Array<ArrayBuffer>;
  }

  #context(given: Context | undefined): Record<string, string> {
    const pairs = Object.entries(given ?? this.#options.context ?? {});
    return Object.fromEntries(
      pairs.map(([name, value]) => [text(name, "a context name"), text(value, "a context value")]),
    );
  }

  #firstKey(): KeyUri {
    const { keys } = this.#options;
    if (typeof keys === "string") return keys;
    const first = Array.isArray(keys) ? (keys as readonly KeyUri[])[0] : undefined;
    const generate = keys && "generate" in keys ? keys.generate : undefined;
    const key = first ?? generate;
    if (key === undefined) throw new KeyfoldError("invalid_argument", "name the key");
    return key;
  }

  async #algorithm(key: KeyUri, options: CallOptions): Promise<SignatureAlgorithm> {
    const known = this.#algorithms.get(key);
    if (known) return known;
    const [algorithm] = (await this.publicKey(key, options)).algorithms;
    this.#algorithms.set(key, algorithm);
    return algorithm;
  }

  async #recipients(
    how: number,
    envelope: Bytes,
    from: Keys | undefined,
    to: Keys,
    options: CallOptions,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { signal } = options;
    throwIfAborted(signal);
    const bytes = view(envelope, "the envelope");
    const { reader, length } = readHeader(bytes);
    reader.free();
    const header = bytes.subarray(0, length);
    const [old, next] = [this.#spec({ keys: from }), this.#spec({ keys: to })];
    const begun = this.#module().client.use(
      (client) => client.recipients(how, old, next, header) as unknown,
    );
    const changed = await settle<Uint8Array>(begun, signal);
    return concat([changed, bytes.subarray(length)]);
  }

  #seal(
    how: number,
    plaintext: Uint8Array,
    length: number | undefined,
    options: EncryptOptions,
  ): unknown {
    const { signer, signal } = options;
    const spec = this.#spec(options);
    const begun = this.#module().client.use(
      (client) => client.seal(spec, how, plaintext, length, signer) as unknown,
    );
    return settle(begun, signal);
  }

  #open(
    how: number,
    start: Uint8Array,
    total: number | undefined,
    options: Pick<DecryptOptions, "keys" | "context" | "signers" | "signal">,
  ): unknown {
    const spec = this.#spec(options);
    const signers = signersOf(options.signers);
    const begun = this.#module().client.use(
      (client) => client.open(spec, how, start, total, signers) as unknown,
    );
    return settle(begun, options.signal);
  }

  #spec(said: Partial<Said>): number {
    const { keys, context, suites } = this.#options;
    return this.#module().specs.number({
      keys: said.keys ?? keys,
      context: said.context ?? context,
      suite: said.suite,
      suites,
    });
  }

  /** The client in the module; made anew where the module has failed meanwhile. */
  #module(): Core {
    if (this.#disposed) throw new KeyfoldError("invalid_argument", "it was disposed of");
    if (!this.#core || this.#core.client.isStale) {
      const limits = cacheLimits(this.#options.cache);
      const call = (request: KmsRequest): Begun =>
        running((signal) => this.kms.call(request, signal));
      const client = new Handle(guard(() => new glue.Client(call, limits)));
      this.#core = { client, specs: new Specs(client) };
    }
    return this.#core;
  }

  /** One request to the KMS, and nothing else. */
  async #ask<T extends KmsRequest["type"]>(
    request: Extract<KmsRequest, { type: T }>,
    signal: AbortSignal | undefined,
  ): Promise<KmsResponses[T]> {
    if (this.#disposed) throw new KeyfoldError("invalid_argument", "it was disposed of");
    throwIfAborted(signal);
    return (await ask(this.kms, request, signal)) as KmsResponses[T];
  }
}

function signersOf(signers: Signers | undefined): unknown {
  if (signers === undefined || signers === "any") return signers;
  const list = Array.isArray(signers) ? (signers as readonly PublicKey[]) : [signers as PublicKey];
  return list.map((key) => key.toDer());
}

function cacheLimits(limits: CacheLimits | null | undefined): Float64Array | undefined {
  if (limits === null) return undefined;
  const { maxAge = 300_000, maxMessages = 2 ** 20, maxBytes = 2 ** 36 } = limits ?? {};
  return Float64Array.of(maxAge, maxMessages, maxBytes, limits?.maxEntries ?? 1000);
}
