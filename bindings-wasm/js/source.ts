/** What can be read at any place: bytes, blobs and files, URLs, and sources of the caller. */

import { view } from "./bytes.js";
import { cancelled, throwIfAborted } from "./engine.js";
import { KeyfoldError, isKeyfoldError } from "./errors.js";
import type { Bytes, OpenOptions, RangedSource, Source } from "./types.js";

/** The source behind whatever `open` was given. */
export async function sourceOf(source: Source, options: OpenOptions): Promise<RangedSource> {
  if (typeof source === "string" || source instanceof URL) {
    return UrlSource.open(String(source), options);
  }
  if (typeof Blob !== "undefined" && source instanceof Blob) return new BlobSource(source);
  if ("readAt" in source) return source;
  const bytes = view(source as Bytes, "the source");
  return {
    size: bytes.length,
    readAt: (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** Exactly these bytes of a source; fewer are `io`. */
export async function readExactly(
  source: RangedSource,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  throwIfAborted(signal);
  if (length === 0) return new Uint8Array();
  let bytes: Uint8Array;
  try {
    bytes = view(await source.readAt(offset, length, signal), "what the source answers");
  } catch (error) {
    if (signal?.aborted) throw cancelled(signal);
    if (isKeyfoldError(error)) throw error;
    throw new KeyfoldError("io", "the source could not be read", { cause: error });
  }
  throwIfAborted(signal);
  if (bytes.length !== length) {
    throw new KeyfoldError("io", "the source has another length than it said");
  }
  return bytes;
}

class BlobSource implements RangedSource {
  readonly #blob: Blob;
  readonly size: number;

  constructor(blob: Blob) {
    this.#blob = blob;
    this.size = blob.size;
  }

  readAt(offset: number, length: number): Promise<ArrayBuffer> {
    return this.#blob.slice(offset, offset + length).arrayBuffer();
  }
}

const CONTENT_RANGE = /^bytes (\d+)-(\d+)\/(\d+)$/;

/**
 * A resource that is read with HTTP range requests (RFC 9110, section 14). Every answer is held
 * against what was asked for: its range, the size of the whole, and whether the resource is still
 * the same.
 */
class UrlSource implements RangedSource {
  readonly #url: string;
  readonly #options: OpenOptions;
  /** The start of the resource, which came with the first answer. */
  readonly #start: Uint8Array;
  readonly #etag: string | null;
  readonly #modified: string | null;
  readonly size: number;

  private constructor(url: string, options: OpenOptions, first: Answer) {
    this.#url = url;
    this.#options = options;
    this.#start = first.bytes;
    this.#etag = first.etag;
    this.#modified = first.modified;
    this.size = first.size;
  }

  static async open(url: string, options: OpenOptions): Promise<UrlSource> {
    // The header and a first segment of most envelopes.
    const first = await request(url, options, 0, 32_768, options.signal, true);
    return new UrlSource(url, options, first);
  }

  async readAt(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    if (offset + length <= this.#start.length) return this.#start.subarray(offset, offset + length);
    const answer = await request(this.#url, this.#options, offset, length, signal, false);
    const same = answer.etag === this.#etag && answer.modified === this.#modified;
    if (!same || answer.size !== this.size) throw io("the resource has changed meanwhile");
    return answer.bytes;
  }
}

interface Answer {
  bytes: Uint8Array;
  size: number;
  etag: string | null;
  modified: string | null;
}

/** `start` is the first request, which may get less where there is less. */
async function request(
  url: string,
  options: OpenOptions,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
  start: boolean,
): Promise<Answer> {
  let response: Response;
  try {
    response = await (options.fetch ?? fetch)(url, {
      headers: { ...options.headers, range: `bytes=${offset}-${offset + length - 1}` },
      // A cache may join parts of different states of the resource.
      cache: "no-store",
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw cancelled(signal);
    throw io("the resource could not be reached", error);
  }
  try {
    if (response.status === 200) throw io("the server answers no ranges");
    if (response.status === 416 && start) throw io("the resource is empty");
    if (response.status !== 206) throw io(`the server answered with status ${response.status}`);
    const range = CONTENT_RANGE.exec(response.headers.get("content-range") ?? "");
    // A page of another origin sees it only where the server exposes it.
    if (!range) throw io("the server does not say which range it answers");
    const [from, to, size] = range.slice(1).map(Number) as [number, number, number];
    const expected = start ? Math.min(length, size) : length;
    if (from !== offset || to !== offset + expected - 1 || to >= size) {
      throw io("the server answered another range");
    }
    return {
      bytes: await body(response, expected),
      size,
      etag: response.headers.get("etag"),
      modified: response.headers.get("last-modified"),
    };
  } catch (error) {
    // What is still coming is of no use.
    await response.body?.cancel().catch(() => undefined);
    if (signal?.aborted) throw cancelled(signal);
    throw isKeyfoldError(error) ? error : io("the answer broke off", error);
  }
}

/** Exactly so many bytes of an answer. */
async function body(response: Response, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const reader = response.body?.getReader();
  let at = 0;
  try {
    while (reader) {
      const { done, value } = await reader.read();
      if (done) break;
      if (at + value.length > length) throw io("the server answered more than it said");
      bytes.set(value, at);
      at += value.length;
    }
  } finally {
    reader?.releaseLock();
  }
  if (at !== length) throw io("the server answered less than it said");
  return bytes;
}

function io(message: string, cause?: unknown): KeyfoldError {
  return new KeyfoldError("io", message, cause === undefined ? {} : { cause });
}
