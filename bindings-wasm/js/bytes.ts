/** Views of bytes. */

import { KeyfoldError } from "./errors.js";
import type { Bytes } from "./types.js";

/** The same bytes as a `Uint8Array`, without a copy. */
export function view(bytes: Bytes, what = "the data"): Uint8Array {
  if (bytes instanceof Uint8Array) return bytes;
  if (ArrayBuffer.isView(bytes)) {
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  if (bytes instanceof ArrayBuffer || isBuffer(bytes)) return new Uint8Array(bytes);
  throw new KeyfoldError("invalid_argument", `${what} is no ArrayBuffer and no view of one`);
}

/** Buffers of another realm, and shared ones. */
function isBuffer(value: unknown): value is ArrayBuffer {
  const kind = Object.prototype.toString.call(value);
  return kind === "[object ArrayBuffer]" || kind === "[object SharedArrayBuffer]";
}

/** All of these, one after another. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A text that has a form in UTF-8. */
export function text(value: unknown, what: string): string {
  if (typeof value !== "string" || !value.isWellFormed()) {
    throw new KeyfoldError("invalid_argument", `${what} is no text of Unicode characters`);
  }
  return value;
}

/** Bytes that are there piece by piece, taken from the start. */
export class Queue {
  #parts: Uint8Array[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#parts.push(part);
    this.#length += part.length;
  }

  /** The first `length` bytes, joined; a view where they lie together. */
  take(length: number): Uint8Array {
    this.#length -= length;
    const first = this.#parts[0];
    if (first && first.length >= length) {
      if (first.length === length) this.#parts.shift();
      else this.#parts[0] = first.subarray(length);
      return first.subarray(0, length);
    }
    const whole = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const part = this.#parts[0] as Uint8Array;
      const used = part.subarray(0, length - at);
      whole.set(used, at);
      at += used.length;
      if (used.length === part.length) this.#parts.shift();
      else this.#parts[0] = part.subarray(used.length);
    }
    return whole;
  }

  /** Copies what is left, so that a writer may use its buffers again. */
  settle(): void {
    if (this.#length > 0)
      this.#parts = [this.#parts.length === 1 ? slice(this.#parts[0]) : concat(this.#parts)];
  }
}

function slice(part: Uint8Array | undefined): Uint8Array {
  return part ? part.slice() : new Uint8Array();
}
