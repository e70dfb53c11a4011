/** What every remote KMS shares: credentials, requests by `fetch`, answers in JSON. */

import { KeyfoldError } from "./errors.js";
import type { AccessKey, Token } from "./remote.js";

/** Credentials on their way into the module. */
export type Parts = [
  kind: "token" | "key" | "google" | "azure",
  first: string,
  second: string | undefined,
  third: string | undefined,
  expires: number | string | undefined,
  app?: string | undefined,
  appKey?: string | undefined,
];

export function tokenParts(token: string | Token): Parts {
  const given: Token = typeof token === "string" ? { token } : token;
  return ["token", given.token, undefined, undefined, given.expires?.getTime()];
}

export function keyParts(key: AccessKey): Parts {
  return ["key", key.id, key.secret, key.sessionToken, key.expires?.getTime()];
}

/** A request of the module: method, URL, names and values of headers in turn, body. */
export type Sent = [method: string, url: string, headers: string[], body: Uint8Array];

/** Sends a request, and wipes its body; answers what the module reads. */
export async function exchange(
  send: typeof fetch,
  [method, url, list, body]: Sent,
  signal: AbortSignal,
): Promise<[number, string[], Uint8Array]> {
  const headers: [string, string][] = [];
  for (let at = 0; at < list.length; at += 2) {
    const [name, value] = [list[at] as string, list[at + 1] as string];
    // The host's own: it takes it from the address.
    if (name.toLowerCase() !== "host") headers.push([name, value]);
  }
  try {
    const response = await send(url, {
      method,
      headers,
      // With a GET there is none at all.
      body: body.length ? (body as Uint8Array<ArrayBuffer>) : null,
      signal,
      redirect: "error",
      credentials: "omit",
      cache: "no-store",
      referrerPolicy: "no-referrer",
    });
    const answer = new Uint8Array(await response.arrayBuffer());
    return [response.status, [...response.headers].flat(), answer];
  } finally {
    body.fill(0);
  }
}

/** The object that an operation answers: JSON, or nothing at all. */
export function parse(answer: Uint8Array): unknown {
  if (answer.length === 0) return {};
  try {
    return JSON.parse(new TextDecoder().decode(answer));
  } catch {
    throw new KeyfoldError("kms_protocol", "the KMS answered something else than JSON");
  }
}
