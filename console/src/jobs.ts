/** Files on their way through the package: in pieces, to the disk where the browser streams there. */

import { isCancelled } from "./errors";
import { contextOf, type Pairs } from "./form";
import { MAX_HEADER, inspect, keyfold, keyUri, opener, signers } from "./keyfold";
import { Store } from "./store";
import { save, say } from "./ui";

/** What a file that is saved here becomes: a stream to the disk, where the browser has one. */
interface SaveWindow {
  showSaveFilePicker?: (options: { suggestedName: string }) => Promise<FileSystemFileHandle>;
}

/** Whether results go to the disk while they are made. */
export const STREAMS = typeof (window as SaveWindow).showSaveFilePicker === "function";

/** Without that the result is in memory until it is saved: no more than this, in bytes. */
export const MEMORY = 1024 ** 3;

const ENDING = ".kf";

/** What is done with a file. */
export type Way = "encrypt" | "decrypt";

/** One file, and what becomes of it. */
export interface Job {
  readonly id: number;
  readonly file: File;
  readonly way: Way;
  /** Whether it says so, as far as it is an envelope. */
  readonly signed: boolean;
  readonly name: string;
  readonly state: "waiting" | "running" | "done" | "cancelled" | "failed";
  readonly done: number;
  /** Bytes a second. */
  readonly rate: number;
  readonly error?: unknown;
  /** The result, where it could not go to the disk at once. */
  readonly blob?: Blob;
}

/** The files outlive the view: whoever looks elsewhere in between stops nothing. */
export const jobs = new Store<readonly Job[]>([]);
const running = new Map<number, AbortController>();
let next = 1;

/** Stops and forgets everything. */
export function forgetFiles(): void {
  for (const end of running.values()) end.abort();
  jobs.set([]);
}

/** Stops one. */
export function cancel(id: number): void {
  running.get(id)?.abort();
}

/** Changes what is known of one. */
export function change(id: number, what: Partial<Job>): void {
  jobs.set(jobs.get().map((job) => (job.id === id ? { ...job, ...what } : job)));
}

/** What holds for all files that are set going. */
export interface Choices {
  key: string;
  signer: string;
  pairs: Pairs;
}

/** Reads a file into a stream through the package, and that into the disk or into memory. */
async function work(job: Job, choices: Choices, target: FileSystemWritableFileStream | undefined) {
  const end = new AbortController();
  running.set(job.id, end);
  change(job.id, { state: "running", done: 0, rate: 0 });
  const begun = performance.now();
  let done = 0;
  let told = 0;
  const counted = new TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>({
    transform(piece, to) {
      done += piece.byteLength;
      const now = performance.now();
      if (now - told > 100) {
        told = now;
        change(job.id, { done, rate: done / ((now - begun) / 1000) });
      }
      to.enqueue(piece as Uint8Array<ArrayBuffer>);
    },
  });
  try {
    const { key, signer } = choices;
    const context = contextOf(choices.pairs);
    const kf = await keyfold();
    const machine =
      job.way === "encrypt"
        ? kf.sealStream({
            keys: keyUri(key),
            context,
            length: job.file.size,
            signal: end.signal,
            ...(signer.trim() && { signer: keyUri(signer) }),
          })
        : kf.openStream({
            keys: opener(key),
            context,
            signal: end.signal,
            ...(await signers(signer)),
          });
    const made = slices(job.file).pipeThrough(counted).pipeThrough(machine);
    const blob = target
      ? (await made.pipeThrough(gathered()).pipeTo(target, { signal: end.signal }), undefined)
      : await new Response(made.pipeThrough(until(end.signal))).blob();
    end.signal.throwIfAborted();
    const rate = job.file.size / ((performance.now() - begun) / 1000);
    change(job.id, { state: "done", done: job.file.size, rate, ...(blob && { blob }) });
    if (blob) save(blob, job.name);
    say(`${job.name} is ${job.way}ed`);
  } catch (error) {
    // What was written so far is not kept: the file keeps its old content, or stays empty.
    await target?.abort().catch(() => {});
    const cancelled = end.signal.aborted || isCancelled(error);
    change(job.id, cancelled ? { state: "cancelled" } : { state: "failed", error });
    say(`${job.name}: ${cancelled ? "cancelled" : "failed"}`);
  } finally {
    running.delete(job.id);
  }
}

/** How much of a file is read or written at a time, in bytes: each is a call of another process. */
const PIECE = 4 * 1024 ** 2;

/** A file, piece by piece. */
function slices(file: File): ReadableStream<Uint8Array> {
  let offset = 0;
  return new ReadableStream({
    async pull(to) {
      const piece = file.slice(offset, offset + PIECE);
      if (piece.size > 0) to.enqueue(new Uint8Array(await piece.arrayBuffer()));
      offset += piece.size;
      if (offset >= file.size) to.close();
    },
  });
}

/** Makes pieces worth a write of small ones. */
function gathered(): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let held: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const send = (to: TransformStreamDefaultController<Uint8Array<ArrayBuffer>>) => {
    const piece = new Uint8Array(size);
    let at = 0;
    for (const part of held) {
      piece.set(part, at);
      at += part.length;
    }
    [held, size] = [[], 0];
    to.enqueue(piece);
  };
  return new TransformStream({
    transform(part, to) {
      if (size === 0 && part.length >= PIECE) return to.enqueue(part);
      held.push(part);
      size += part.length;
      if (size >= PIECE) send(to);
    },
    flush: (to) => (size > 0 ? send(to) : undefined),
  });
}

/** Passes a stream on until a signal ends it. */
function until(signal: AbortSignal): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  return new TransformStream({
    transform(piece, to) {
      signal.throwIfAborted();
      to.enqueue(piece as Uint8Array<ArrayBuffer>);
    },
  });
}

/** Asks where to, and does it. */
export async function start(job: Job, choices: Choices): Promise<void> {
  let target;
  const picker = (window as SaveWindow).showSaveFilePicker;
  if (picker) {
    try {
      const handle = await picker.call(window, { suggestedName: job.name });
      target = await handle.createWritable();
    } catch (error) {
      if (isCancelled(error)) return;
      change(job.id, { state: "failed", error });
      return;
    }
  }
  await work(job, choices, target);
}

/** Looks whether a file is an envelope, to know what is wanted, and whether it is signed. */
async function look(file: File): Promise<{ way: Way; signed: boolean }> {
  try {
    const head = await file.slice(0, MAX_HEADER).arrayBuffer();
    const { signature } = await inspect(head, { size: file.size });
    return { way: "decrypt", signed: signature !== undefined };
  } catch {
    return { way: "encrypt", signed: false };
  }
}

/** Takes files in. */
export async function add(files: Iterable<File>): Promise<void> {
  for (const file of files) {
    const { way, signed } = await look(file);
    const job = { id: next++, file, way, signed, name: nameOf(file.name, way), done: 0, rate: 0 };
    jobs.set([...jobs.get(), { ...job, state: "waiting" }]);
  }
}

/** What the result is called. */
export function nameOf(name: string, way: Way): string {
  if (way === "encrypt") return name + ENDING;
  return name.endsWith(ENDING) ? name.slice(0, -ENDING.length) : `${name}.plain`;
}
