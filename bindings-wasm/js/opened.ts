import { Handle, type glue, throwIfAborted } from "./engine.js";
import { KeyfoldError } from "./errors.js";
import type { SegmentCipher } from "./host.js";
import { SEALED, SEGMENT, authenticationFailed } from "./message.js";
import { readExactly } from "./source.js";
import type { EnvelopeInfo, RangedSource, ReadOptions } from "./types.js";

/** Bytes of plaintext that are fetched and opened at once: 4 MiB. */
const WINDOW = 256 * SEGMENT;

type Plan = [from: number, to: number, skip: number, length: number, nonces: Uint8Array];

/**
 * An envelope that is read in parts: only the segments that hold a part are fetched and opened.
 * A part says nothing of the length of the whole; {@link OpenedEnvelope.verifyLength} does. Parts
 * may be read at the same time.
 */
export class OpenedEnvelope implements Disposable {
  /** What the header says. */
  readonly info: EnvelopeInfo;
  /** Bytes of plaintext, as the source's size tells. */
  readonly plaintextLength: number;
  readonly #source: RangedSource;
  readonly #ranges: Handle<glue.Ranges>;
  readonly #cipher: SegmentCipher;
  /** Where the body begins in the source. */
  readonly #body: number;
  #disposed = false;

  /** @internal */
  constructor(
    info: EnvelopeInfo,
    source: RangedSource,
    ranges: Handle<glue.Ranges>,
    cipher: SegmentCipher,
    body: number,
  ) {
    this.info = info;
    this.#source = source;
    this.#ranges = ranges;
    this.#cipher = cipher;
    this.#body = body;
    this.plaintextLength = ranges.use((ranges) => ranges.plaintextLength()) as number;
  }

  /**
   * Reads the bytes from `start` to before `end`; a range that reaches past the end answers what
   * there is, and proves that end.
   *
   * Errors: `authentication_failed`; `io` where the source fails, has changed, or lies about its
   * length; `invalid_argument` for an end before the start; `cancelled`.
   */
  async read(options: ReadOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const { start = 0, end = this.plaintextLength, signal } = options;
    // Checked as a whole first: the module knows what a range is.
    const [, , , length] = this.#plan(start, end);
    const out = new Uint8Array(length);
    let at = start;
    let to = 0;
    for (;;) {
      const stop = Math.min(end, (Math.floor(at / SEGMENT) + WINDOW / SEGMENT) * SEGMENT);
      // The last window goes past the end where the range does.
      const last = stop >= Math.min(end, this.plaintextLength);
      const part = await this.#open(this.#plan(at, last ? end : stop), signal);
      out.set(part, to);
      to += part.length;
      if (last) return out;
      at = stop;
    }
  }

  /**
   * Opens the last segment, which proves the length of the whole; answers that length.
   *
   * Errors: as {@link OpenedEnvelope.read}.
   */
  async verifyLength(options: { signal?: AbortSignal | undefined } = {}): Promise<number> {
    const plan = this.#ranges.use((ranges) => ranges.end()) as Plan;
    await this.#open(plan, options.signal);
    return this.plaintextLength;
  }

  /** Ends it; the key of the message is gone. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#ranges.free();
    this.#source.close?.();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #plan(start: number, end: number): Plan {
    return this.#ranges.use((ranges) => ranges.plan(start, end)) as Plan;
  }

  async #open(plan: Plan, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const [from, to, skip, length, nonces] = plan;
    const sealed = await readExactly(this.#source, this.#body + from, to - from, signal);
    throwIfAborted(signal);
    if (this.#disposed) throw new KeyfoldError("invalid_argument", "it was disposed of");
    const plaintext = new Uint8Array(sealed.length - (nonces.length / 12) * 16);
    try {
      await this.#cipher.open(nonces, sealed, SEALED, plaintext);
    } catch (error) {
      plaintext.fill(0);
      throw authenticationFailed(error);
    }
    return plaintext.subarray(skip, skip + length);
  }
}
