/** Streams that seal and open: segments are under way while the next bytes come in. */

import { Queue, concat, view } from "./bytes.js";
import { Handle, cancelled, glue, guard, settle, throwIfAborted } from "./engine.js";
import { KeyfoldError } from "./errors.js";
import { type SegmentCipher, host } from "./host.js";
import {
  MAX_TRAILER,
  PREFIX,
  SEALED,
  SEGMENT,
  authenticationFailed,
  cipherOf,
  digestsOf,
  openLast,
} from "./message.js";
import type { Pool } from "./pool.js";
import type { Bytes, LongOptions } from "./types.js";

/** Bytes that are under way at the most: what a stream holds beside its queues. */
const AHEAD = 1 << 20;
/** What is ready before somebody takes it: the next segments are sealed while these are written. */
const READY = { highWaterMark: AHEAD / 2, size: (part: Uint8Array) => part.length };

type Out = TransformStreamDefaultController<Uint8Array<ArrayBuffer>>;

/** Results in the order in which the work was begun, and not too many of them. */
class Pipeline {
  readonly #out: Out;
  readonly #waiting: { size: number; done: Promise<void> }[] = [];
  #tail: Promise<void> = Promise.resolve();
  #ahead = 0;
  #failure: { error: unknown } | undefined;

  constructor(out: Out) {
    this.#out = out;
  }

  /** Has `work`'s result given out after those before it; waits while too much is under way. */
  async push(size: number, work: Promise<Uint8Array<ArrayBuffer>>): Promise<void> {
    const done = this.#give(this.#tail, work);
    this.#tail = done;
    // It is looked at below, and at the end.
    done.catch((error: unknown) => (this.#failure ??= { error }));
    this.#waiting.push({ size, done });
    this.#ahead += size;
    while (this.#ahead > AHEAD) await this.#shift();
    if (this.#failure) throw this.#failure.error;
  }

  async #give(before: Promise<void>, work: Promise<Uint8Array<ArrayBuffer>>): Promise<void> {
    // Both are waited for: neither may fail unseen.
    const [, made] = await Promise.all([before, work]);
    if (made.length > 0) this.#out.enqueue(made);
  }

  async #shift(): Promise<void> {
    const first = this.#waiting.shift();
    if (!first) return;
    this.#ahead -= first.size;
    await first.done;
  }

  /** Waits for all of it. */
  async drain(): Promise<void> {
    while (this.#waiting.length > 0) await this.#shift();
  }
}

/** What sealing and opening streams have in common. */
abstract class Machine {
  readonly #options: LongOptions & { total: number | undefined };
  #pipeline: Pipeline | undefined;
  #begun: Promise<void> | undefined;
  #unlisten: (() => void) | undefined;
  #done = 0;
  #told = 0;

  constructor(
    options: LongOptions,
    total: number | undefined,
    protected readonly pool: Pool | undefined,
  ) {
    this.#options = { ...options, total };
  }

  protected get signal(): AbortSignal | undefined {
    return this.#options.signal;
  }

  protected get done(): number {
    return this.#done;
  }

  protected abstract begin(): Promise<void>;
  protected abstract take(part: Uint8Array): Promise<void>;
  protected abstract finish(): Promise<void>;
  protected abstract free(): void;

  stream(): TransformStream<Bytes, Uint8Array<ArrayBuffer>> {
    const transformer: Transformer<Bytes, Uint8Array<ArrayBuffer>> & { cancel(): void } = {
      start: (out) => {
        this.#pipeline = new Pipeline(out);
        const { signal } = this.#options;
        const abort = (): void => {
          this.#end();
          out.error(cancelled(signal));
        };
        if (signal?.aborted) return abort();
        signal?.addEventListener("abort", abort, { once: true });
        this.#unlisten = () => signal?.removeEventListener("abort", abort);
      },
      transform: (chunk) => this.#run(() => this.take(view(chunk, "a part of the stream"))),
      flush: () =>
        this.#run(async () => {
          await this.finish();
          await this.#pipeline?.drain();
          this.#tell();
          this.#end();
        }),
      // Not in every host: there the machine ends with its last reference.
      cancel: () => this.#end(),
    };
    return new TransformStream(transformer, undefined, READY);
  }

  async #run(work: () => Promise<void>): Promise<void> {
    try {
      throwIfAborted(this.signal);
      this.#begun ??= this.begin();
      await this.#begun;
      await work();
    } catch (error) {
      this.#end();
      throw this.signal?.aborted ? cancelled(this.signal) : error;
    }
  }

  #end(): void {
    this.#unlisten?.();
    this.#unlisten = undefined;
    this.free();
  }

  #tell(): void {
    this.#told = this.#done;
    this.#options.onProgress?.({ done: this.#done, total: this.#options.total });
  }

  /** Gives out the result of work on `size` bytes of plaintext. */
  protected async give(size: number, work: Promise<Uint8Array<ArrayBuffer>>): Promise<void> {
    await this.#pipeline?.push(size, work);
    this.#done += size;
    if (this.#done - this.#told >= 1 << 20) this.#tell();
  }
}

/** How a stream that seals gets its message. */
export interface SealStart {
  (signal: AbortSignal | undefined): Promise<Handle<glue.Sealing>>;
}

/** Seals a stream. */
export class SealMachine extends Machine {
  readonly #start: SealStart;
  readonly #length: number | undefined;
  readonly #onHeader: ((header: Uint8Array<ArrayBuffer>) => void) | undefined;
  readonly #queue = new Queue();
  #sealing: Handle<glue.Sealing> | undefined;
  #cipher: SegmentCipher | undefined;
  #signed = false;
  #seen = 0;

  constructor(
    start: SealStart,
    options: LongOptions & {
      length?: number | undefined;
      onHeader?: ((header: Uint8Array<ArrayBuffer>) => void) | undefined;
    },
    pool: Pool | undefined,
  ) {
    super(options, options.length, pool);
    this.#start = start;
    this.#length = options.length;
    this.#onHeader = options.onHeader;
  }

  protected async begin(): Promise<void> {
    const sealing = await this.#start(this.signal);
    this.#sealing = sealing;
    const header = sealing.use((sealing) => sealing.header()) as Uint8Array<ArrayBuffer>;
    const prefix = sealing.use((sealing) => sealing.prefix()) as Uint8Array<ArrayBuffer>;
    this.#signed = sealing.use((sealing) => sealing.isSigned());
    this.#cipher = await cipherOf(new Handle(sealing.use((sealing) => sealing.key())), this.pool);
    if (this.#onHeader) this.#onHeader(header);
    else await this.give(0, Promise.resolve(header));
    await this.give(0, Promise.resolve(prefix));
  }

  protected async take(part: Uint8Array): Promise<void> {
    this.#seen += part.length;
    if (this.#length !== undefined && this.#seen > this.#length) throw otherLength();
    this.#queue.push(part);
    await this.#segments();
    this.#queue.settle();
  }

  async #segments(): Promise<void> {
    while (this.#queue.length >= SEGMENT) {
      const available = Math.min(this.#queue.length, AHEAD / 2);
      const nonces = this.#machine().use((sealing) => sealing.handOut(available));
      const count = nonces.length / 12;
      const size = count * SEGMENT;
      const data = kept(this.#queue.take(size));
      const work = this.#seal(nonces, data, count * SEALED);
      if (this.#signed) {
        const digests = await digestsOf(await work);
        this.#machine().use((sealing) => sealing.takeBack(digests));
      }
      await this.give(size, work);
    }
  }

  async #seal(
    nonces: Uint8Array,
    data: Uint8Array,
    length: number,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const out = new Uint8Array(length);
    await this.#cipher?.seal(nonces, data, SEGMENT, out);
    return out;
  }

  protected async finish(): Promise<void> {
    if (this.#length !== undefined && this.#seen !== this.#length) throw otherLength();
    const last = this.#queue.take(this.#queue.length);
    const machine = this.#machine();
    const nonce = machine.use((sealing) => sealing.handOutLast(last.length));
    const sealed = await this.#seal(nonce, last, last.length + 16);
    await this.give(last.length, Promise.resolve(sealed));
    const digest = this.#signed ? await digestsOf(sealed) : undefined;
    const trailer = await settle<Uint8Array<ArrayBuffer> | undefined>(
      machine.use((sealing) => sealing.finish(digest) as unknown),
      this.signal,
    );
    if (trailer) await this.give(0, Promise.resolve(trailer));
  }

  #machine(): Handle<glue.Sealing> {
    if (!this.#sealing) throw new KeyfoldError("internal", "the stream was not begun");
    return this.#sealing;
  }

  protected free(): void {
    this.#sealing?.free();
  }
}

/** What a host works on later must stay as it is: a writer may use its buffers again. */
function kept(part: Uint8Array): Uint8Array {
  return host().small ? part : part.slice();
}

function otherLength(): KeyfoldError {
  return new KeyfoldError("invalid_argument", "the stream has another length than was said");
}

/** How a stream that opens gets its data key, once the header is there. */
export interface OpenStart {
  (header: Uint8Array, signal: AbortSignal | undefined): Promise<Handle<glue.Unlocked>>;
}

/** Opens a stream. */
export class OpenMachine extends Machine {
  readonly #start: OpenStart;
  readonly #queue = new Queue();
  readonly #header: Uint8Array[] = [];
  #reader: Handle<glue.HeaderReader> | undefined;
  #unlocked: Handle<glue.Unlocked> | undefined;
  #opening: Handle<glue.Opening> | undefined;
  #cipher: SegmentCipher | undefined;
  #signed = false;
  #needs = 0;
  readonly #detached: Uint8Array | undefined;

  constructor(
    start: OpenStart,
    options: LongOptions & { header?: Bytes | undefined },
    pool: Pool | undefined,
  ) {
    super(options, undefined, pool);
    this.#start = start;
    this.#detached = options.header === undefined ? undefined : view(options.header, "the header");
  }

  protected async begin(): Promise<void> {
    if (this.#detached) await this.#unlock(this.#detached);
    else this.#reader = new Handle(guard(() => new glue.HeaderReader()));
  }

  protected async take(part: Uint8Array): Promise<void> {
    this.#queue.push(part);
    if (!this.#unlocked && !this.#opening) await this.#readHeader();
    if (this.#unlocked && !this.#opening && this.#queue.length >= this.#needs) await this.#open();
    if (this.#opening) await this.#segments();
    this.#queue.settle();
  }

  async #readHeader(): Promise<void> {
    const part = this.#queue.take(this.#queue.length);
    // A header has at most 64 KiB: no more than that is copied.
    for (let at = 0; at < part.length; at += 65_536) {
      const piece = part.subarray(at, at + 65_536);
      const used = this.#reader?.use((reader) => reader.push(piece)) ?? -1;
      if (used < 0) {
        this.#header.push(piece.slice());
        continue;
      }
      this.#header.push(piece.subarray(0, used));
      this.#reader?.free();
      await this.#unlock(concat(this.#header));
      this.#queue.push(part.subarray(at + used));
      return;
    }
  }

  async #unlock(header: Uint8Array): Promise<void> {
    this.#unlocked = await this.#start(header, this.signal);
    this.#needs = this.#unlocked.use((unlocked) => unlocked.needs());
  }

  async #open(): Promise<void> {
    const prefix = this.#queue.take(PREFIX);
    const unlocked = this.#unlocked as Handle<glue.Unlocked>;
    const opening = new Handle(unlocked.use((unlocked) => unlocked.opening(prefix)));
    unlocked.free();
    this.#opening = opening;
    this.#signed = opening.use((opening) => opening.isSigned());
    this.#cipher = await cipherOf(new Handle(opening.use((opening) => opening.key())), this.pool);
  }

  async #segments(): Promise<void> {
    for (;;) {
      const available = Math.min(this.#queue.length, AHEAD / 2 + MAX_TRAILER);
      const nonces = this.#machine().use((opening) => opening.handOut(available));
      const count = nonces.length / 12;
      if (count === 0) return;
      const sealed = kept(this.#queue.take(count * SEALED));
      if (this.#signed) {
        const digests = await digestsOf(sealed);
        this.#machine().use((opening) => opening.takeBack(digests));
      }
      await this.give(count * SEGMENT, this.#decrypt(nonces, sealed, count * SEGMENT));
    }
  }

  async #decrypt(
    nonces: Uint8Array,
    sealed: Uint8Array,
    length: number,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const out = new Uint8Array(length);
    try {
      await this.#cipher?.open(nonces, sealed, SEALED, out);
    } catch (error) {
      out.fill(0);
      throw authenticationFailed(error);
    }
    return out;
  }

  protected async finish(): Promise<void> {
    if (!this.#opening) {
      throw this.#unlocked
        ? new KeyfoldError("truncated", "the body ends before its first segment")
        : new KeyfoldError("truncated", "the input ends inside the header");
    }
    const machine = this.#machine();
    const rest = this.#queue.take(this.#queue.length);
    const nonce = machine.use((opening) => opening.handOutLast(rest.length));
    const length = machine.use((opening) => opening.lastLength());
    const out = new Uint8Array(length);
    try {
      await openLast(machine, this.#cipher as SegmentCipher, nonce, rest, out, this.#signed);
    } catch (error) {
      out.fill(0);
      throw authenticationFailed(error);
    }
    await this.give(length, Promise.resolve(out));
  }

  #machine(): Handle<glue.Opening> {
    if (!this.#opening) throw new KeyfoldError("internal", "the stream was not begun");
    return this.#opening;
  }

  protected free(): void {
    this.#reader?.free();
    this.#unlocked?.free();
    this.#opening?.free();
  }
}
