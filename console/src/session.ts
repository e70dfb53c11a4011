/**
 * Who is signed in: a bearer token, in the memory of the page. Only whoever asks for it has it in
 * `sessionStorage` too, where it lives as long as the tab. It is never in a URL or in a cookie.
 */

import { Store } from "./store";

const KEPT = "keyfold.token";

/** A session. */
export interface Session {
  readonly token: string;
  /** Whom the token says it is for. The server decides whether that is true. */
  readonly subject: string | undefined;
  /** When it ends, in milliseconds since 1970, where it says so. */
  readonly expires: number | undefined;
}

/** What the page shows: nobody is signed in, somebody is, or the session has ended meanwhile. */
export type State =
  | { readonly kind: "out" }
  | { readonly kind: "in"; readonly session: Session }
  | { readonly kind: "lost"; readonly session: Session };

/** The session of this page. */
export const state = new Store<State>(restored());

/** That somebody signed out while something waited for a session. */
export class SignedOut extends Error {
  override readonly name = "SignedOut";
  constructor() {
    super("you have signed out");
  }
}

interface Waiter {
  resolve: () => void;
  reject: (reason: unknown) => void;
}
let waiting: Waiter[] = [];

/** Reads a token as far as it can be read without its key; the server is who checks it. */
export function read(token: string): Session {
  const claims = claimsOf(token);
  const { sub, exp } = claims;
  return {
    token,
    subject: typeof sub === "string" ? sub : undefined,
    expires: typeof exp === "number" ? exp * 1000 : undefined,
  };
}

function claimsOf(token: string): Record<string, unknown> {
  try {
    const part = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(part), (c) => c.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" && claims !== null ? { ...claims } : {};
  } catch {
    return {};
  }
}

function restored(): State {
  try {
    const token = sessionStorage.getItem(KEPT);
    return token ? { kind: "in", session: read(token) } : { kind: "out" };
  } catch {
    return { kind: "out" };
  }
}

/** Begins a session, or goes on with one that was lost. `keep`: also over a reload of the tab. */
export function signIn(token: string, keep: boolean): void {
  try {
    if (keep) sessionStorage.setItem(KEPT, token);
    else sessionStorage.removeItem(KEPT);
  } catch {
    // No storage: it is in memory alone.
  }
  state.set({ kind: "in", session: read(token) });
  const waiters = waiting;
  waiting = [];
  for (const { resolve } of waiters) resolve();
}

/** Forgets the session. */
export function signOut(): void {
  try {
    sessionStorage.removeItem(KEPT);
  } catch {
    // No storage, so nothing in it.
  }
  state.set({ kind: "out" });
  const waiters = waiting;
  waiting = [];
  for (const { reject } of waiters) reject(new SignedOut());
}

/** The token to call with; waits until somebody has signed in again where it has ended. */
export async function token(): Promise<string> {
  for (;;) {
    const now = state.get();
    if (now.kind === "out") throw new SignedOut();
    if (now.kind === "in" && (now.session.expires ?? Infinity) > Date.now()) {
      return now.session.token;
    }
    await renewed(now.session.token);
  }
}

/** Waits for another token than this one, which the server has refused. */
export async function renewed(refused: string): Promise<void> {
  const now = state.get();
  if (now.kind === "out") throw new SignedOut();
  if (now.kind === "in") {
    if (now.session.token !== refused) return;
    state.set({ kind: "lost", session: now.session });
  }
  await new Promise<void>((resolve, reject) => waiting.push({ resolve, reject }));
}
