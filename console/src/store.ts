/** Values that outlive a view, and tell whoever shows them when they change. */

import { useLayoutEffect, useState } from "preact/hooks";

/** One value. */
export class Store<T> {
  private readonly watchers = new Set<() => void>();

  constructor(private value: T) {}

  get(): T {
    return this.value;
  }

  set(value: T): void {
    this.value = value;
    for (const changed of [...this.watchers]) changed();
  }

  watch(changed: () => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }
}

/** The value of a store, now and whenever it changes. */
export function useStore<T>(store: Store<T>): T {
  const [, again] = useState({});
  // In the turn that shows it: a plain effect comes later, and misses what changes in between.
  useLayoutEffect(() => store.watch(() => again({})), [store]);
  return store.get();
}
