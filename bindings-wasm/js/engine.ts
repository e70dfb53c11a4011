/** The WebAssembly instance: loaded once, and made anew when it has trapped. */

import * as glue from "#client";
import wasm from "#client-wasm";
import { type ErrorCode, KeyfoldError, type Retry, isKeyfoldError } from "./errors.js";
import { inflate } from "./inflate.js";

let loading: Promise<void> | undefined;
let generation = 0;

/** Loads the module; later calls answer at once. */
export function load(): Promise<void> {
  loading ??= start().catch((error: unknown) => {
    loading = undefined;
    throw new KeyfoldError("internal", "WebAssembly does not start here", { cause: error });
  });
  return loading;
}

async function start(): Promise<void> {
  glue.initSync({ module: await WebAssembly.compile(await inflate(wasm)) });
  connect();
}

/** Tells the instance of its host. */
function connect(): void {
  glue.onWake(wake);
  glue.onSleep(sleep);
}

/** The module's functions; {@link load} comes first. */
export { glue };

/** Counts instances: what belongs to an earlier one is gone. */
export function currentGeneration(): number {
  return generation;
}

/** Something of the instance that is freed by hand. */
interface Freed {
  free(): void;
}

/** An object of one instance: when that has trapped, using it is `internal`. */
export class Handle<T extends Freed> {
  readonly #object: T;
  readonly #generation = generation;
  #freed = false;

  constructor(object: T) {
    this.#object = object;
  }

  /** Whether its instance is gone. */
  get isStale(): boolean {
    return this.#generation !== generation;
  }

  /** Calls the object. */
  use<R>(work: (object: T) => R): R {
    if (this.isStale) throw new KeyfoldError("internal", "the module has failed meanwhile");
    if (this.#freed) throw new KeyfoldError("invalid_argument", "it was disposed of");
    return guard(() => work(this.#object));
  }

  /** Ends the object; what it holds is wiped. */
  free(): void {
    if (this.#freed || this.isStale) return;
    this.#freed = true;
    guard(() => this.#object.free());
  }
}

/** Calls into the instance: what is thrown there becomes a {@link KeyfoldError}. */
export function guard<R>(work: () => R): R {
  try {
    return work();
  } catch (error) {
    throw translate(error);
  }
}

type Parts = [ErrorCode, string, Retry, number | undefined, unknown];

/** The error that the module describes. */
export function toError(parts: unknown): KeyfoldError {
  const [code, message, retry, retryAfter, cause] = parts as Parts;
  // What a KMS of the caller threw comes back as it was.
  if (isKeyfoldError(cause) && cause.code === code && cause.message === message) return cause;
  const options = { retry, ...(retryAfter === undefined ? {} : { retryAfter }) };
  return new KeyfoldError(code, message, cause === undefined ? options : { ...options, cause });
}

function translate(error: unknown): unknown {
  if (Array.isArray(error)) return toError(error);
  if (isKeyfoldError(error)) return error;
  // A trap, or no stack left: nobody knows in what state the memory is.
  if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) {
    generation += 1;
    for (const task of [...tasks.values()]) task.fail();
    tasks.clear();
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
    glue.__wbg_reset_state();
    connect();
  }
  return new KeyfoldError("internal", "the module has failed", { cause: error });
}

/** A promise, and what ends the work behind it. */
export type Begun = [promise: Promise<unknown>, end: () => void];

/**
 * Begins work that the module waits for, and that gets a signal for its end. Its promise stays as
 * it is when the module has trapped meanwhile: nobody is left to be told.
 */
export function running(work: (signal: AbortSignal) => unknown): Begun {
  const controller = new AbortController();
  const begun = generation;
  const promise = new Promise((resolve, reject) => {
    const still =
      <T>(settle: (value: T) => void) =>
      (value: T): void => {
        if (begun === generation) settle(value);
      };
    new Promise((begin) => begin(work(controller.signal))).then(still(resolve), still(reject));
  });
  return [promise, () => controller.abort(new Error("nobody waits for it any more"))];
}

/** Timers of the instance: one that is forgotten keeps Node.js alive. */
const timers = new Set<ReturnType<typeof setTimeout>>();

function sleep(milliseconds: number): Begun {
  return running(
    (signal) =>
      new Promise<void>((resolve) => {
        const end = (): void => {
          clearTimeout(timer);
          timers.delete(timer);
          resolve();
        };
        const timer = setTimeout(end, milliseconds);
        timers.add(timer);
        signal.addEventListener("abort", end);
      }),
  );
}

/** What goes on when the module says so, by number. */
const tasks = new Map<number, Running>();
let nextTask = 0;

function wake(number: number): void {
  tasks.get(number)?.schedule();
}

class Running {
  readonly #number = (nextTask = (nextTask + 1) >>> 0);
  readonly #task: Handle<glue.Task>;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  #scheduled = false;
  #polling = false;
  #ended = false;

  constructor(
    task: glue.Task,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
    signal: AbortSignal | undefined,
  ) {
    this.#task = new Handle(task);
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    tasks.set(this.#number, this);
    signal?.addEventListener("abort", this.#abort);
    this.step();
  }

  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.step();
    });
  }

  step(): void {
    if (this.#ended) return;
    this.#polling = true;
    let done = false;
    try {
      done = this.#task.use((task) => task.poll(this.#number));
      if (done) {
        const answer: unknown = this.#task.use((task) => task.take());
        this.#end(() => this.#resolve(answer));
      }
    } catch (error) {
      this.#end(() => this.#reject(error));
    } finally {
      this.#polling = false;
    }
    if (!done && this.#signal?.aborted) this.#abort();
  }

  /** Its instance has trapped. */
  fail(): void {
    if (this.#polling) return;
    this.#end(() => this.#reject(new KeyfoldError("internal", "the module has failed")));
  }

  readonly #abort = (): void => {
    // Aborted by the very function that is being polled: it ends when that returns.
    if (this.#polling) return;
    this.#end(() => this.#reject(cancelled(this.#signal)));
  };

  #end(settle: () => void): void {
    if (this.#ended) return;
    this.#ended = true;
    tasks.delete(this.#number);
    this.#signal?.removeEventListener("abort", this.#abort);
    settle();
    this.#task.free();
  }
}

/** The error of a call whose signal was aborted. */
export function cancelled(signal: AbortSignal | undefined): KeyfoldError {
  return new KeyfoldError("cancelled", "the call was cancelled", { cause: signal?.reason });
}

/** Refuses work whose signal was aborted already. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled(signal);
}

/**
 * What a function of the module answers, at once where nothing was to be waited for. When `signal`
 * is aborted, the work is dropped and what it waits for is cancelled.
 */
export function settle<R>(answer: unknown, signal?: AbortSignal): R | Promise<R> {
  if (!(answer instanceof glue.Task)) return answer as R;
  return new Promise<R>((resolve, reject) => {
    new Running(answer, resolve as (value: unknown) => void, reject, signal);
  });
}
