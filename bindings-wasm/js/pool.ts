/** Workers that share the work on large inputs. */

import { type Segments, outLength } from "./aes_web.js";
import { KeyfoldError } from "./errors.js";

/** Segments that a worker gets at once: 512 KiB. Fewer are done before it has begun. */
const SHARE = 32;
/** Shares that a worker has at the same time, so that the next one waits for it. */
const AHEAD = 2;

/** What a page says to a worker: whether it is one, or what there is to do. */
export type ToWorker =
  | { readonly keyfold: "hello" }
  | {
      readonly keyfold: "run";
      readonly number: number;
      readonly key: CryptoKey;
      readonly segments: Segments;
    };

/** What it answers; without `out` a tag was wrong. */
export type FromWorker =
  | { readonly keyfold: "hello" }
  | {
      readonly keyfold: "done";
      readonly number: number;
      readonly out: Uint8Array<ArrayBuffer> | undefined;
    };

interface Job {
  resolve(out: Uint8Array<ArrayBuffer>): void;
  reject(error: unknown): void;
}

/** A worker, once it has said that it runs `keyfold/worker`. */
class Member {
  readonly #worker: Worker;
  readonly #jobs = new Map<number, Job>();
  #number = 0;
  isReady = false;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.addEventListener("message", ({ data }: MessageEvent<FromWorker | undefined>) => {
      if (data?.keyfold === "hello") this.isReady = true;
      if (data?.keyfold === "done") this.#done(data.number, data.out);
    });
    worker.addEventListener("error", () => this.#fail());
    worker.addEventListener("messageerror", () => this.#fail());
    this.#say({ keyfold: "hello" }, []);
  }

  run(key: CryptoKey, segments: Segments): Promise<Uint8Array<ArrayBuffer>> {
    return new Promise((resolve, reject) => {
      this.#number += 1;
      this.#jobs.set(this.#number, { resolve, reject });
      const { data, nonces } = segments;
      const message = { keyfold: "run", number: this.#number, key, segments } as const;
      this.#say(message, [data.buffer, nonces.buffer]);
    });
  }

  #say(message: ToWorker, transfer: Transferable[]): void {
    this.#worker.postMessage(message, transfer);
  }

  #done(number: number, out: Uint8Array<ArrayBuffer> | undefined): void {
    const job = this.#jobs.get(number);
    this.#jobs.delete(number);
    if (out) job?.resolve(out);
    else job?.reject(new Error("a tag is wrong"));
  }

  /** It is given nothing any more. */
  #fail(): void {
    this.isReady = false;
    for (const job of this.#jobs.values()) {
      job.reject(new KeyfoldError("internal", "a worker has failed"));
    }
    this.#jobs.clear();
  }
}

/** The workers of a client. They are the caller's, who ends them. */
export class Pool {
  readonly #members: readonly Member[];

  constructor(workers: readonly Worker[]) {
    this.#members = workers.map((worker) => new Member(worker));
  }

  /** Has the workers seal or open segments; `undefined` where it is not worth it, or none is ready. */
  run(key: CryptoKey, segments: Segments, out: Uint8Array): Promise<void> | undefined {
    const ready = this.#members.filter((member) => member.isReady);
    if (ready.length === 0 || segments.nonces.length / 12 < SHARE) return undefined;
    return share(ready, key, segments, out);
  }
}

async function share(
  members: readonly Member[],
  key: CryptoKey,
  segments: Segments,
  out: Uint8Array,
): Promise<void> {
  const { nonces, data, length } = segments;
  const count = nonces.length / 12;
  const step = outLength(segments);
  let next = 0;
  const some = async (member: Member): Promise<void> => {
    while (next < count) {
      const at = next;
      const end = Math.min(at + SHARE, count);
      next = end;
      // Copies, because they are handed over.
      const part = {
        ...segments,
        nonces: nonces.slice(at * 12, end * 12),
        data: data.slice(at * length, end * length),
      };
      try {
        out.set(await member.run(key, part), at * step);
      } catch (error) {
        next = count;
        throw error;
      }
    }
  };
  const places = members.flatMap((member) => Array<Member>(AHEAD).fill(member));
  await Promise.all(places.map(some));
}
