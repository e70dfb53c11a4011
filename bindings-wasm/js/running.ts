/** Functions of the host that the module waits for, and that it can end. */

/** A promise, and what ends the work behind it. */
export type Begun = [promise: Promise<unknown>, end: () => void];

/** Begins work that gets a signal for its end. */
export function running(work: (signal: AbortSignal) => unknown): Begun {
  const controller = new AbortController();
  const promise = new Promise((resolve) => resolve(work(controller.signal)));
  return [promise, () => controller.abort(new Error("nobody waits for it any more"))];
}
