/** What views wait for: things that are loaded, and things that somebody sets going. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { isCancelled } from "./errors";

/** Something that is loaded, and again when what it depends on changes. */
export interface Loaded<T> {
  readonly value: T | undefined;
  readonly error: unknown;
  readonly busy: boolean;
  reload(): void;
}

export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, on: unknown[]): Loaded<T> {
  const [turn, setTurn] = useState(0);
  const [found, setFound] = useState<{ value?: T; error?: unknown; busy: boolean }>({ busy: true });
  useEffect(() => {
    const end = new AbortController();
    setFound((before) => (turn === 0 ? { busy: true } : { ...before, busy: true }));
    load(end.signal).then(
      (value) => end.signal.aborted || setFound({ value, busy: false }),
      (error: unknown) => end.signal.aborted || setFound({ error, busy: false }),
    );
    return () => end.abort();
  }, [turn, ...on]);
  const reload = useCallback(() => setTurn((turn) => turn + 1), []);
  return { value: found.value, error: found.error, busy: found.busy, reload };
}

/** Something that somebody sets going. */
export interface Task {
  readonly busy: boolean;
  readonly error: unknown;
  /** Does it, unless it is being done; answers whether it was done. */
  run(work: () => Promise<void>): Promise<boolean>;
  clear(): void;
}

export function useTask(): Task {
  const [now, setNow] = useState<{ busy: boolean; error?: unknown }>({ busy: false });
  const busy = useRef(false);
  const run = useCallback(async (work: () => Promise<void>) => {
    if (busy.current) return false;
    busy.current = true;
    setNow({ busy: true });
    try {
      await work();
      setNow({ busy: false });
      return true;
    } catch (error) {
      setNow({ busy: false, error: isCancelled(error) ? undefined : error });
      return false;
    } finally {
      busy.current = false;
    }
  }, []);
  const clear = useCallback(() => setNow((now) => ({ busy: now.busy })), []);
  return { ...now, error: now.error, run, clear };
}
