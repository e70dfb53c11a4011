/** The one place where this page meets the package `keyfold`. */

import { Keyfold, inspect, remote, type EnvelopeInfo, type KeyUri, type Signers } from "keyfold";

import { SERVER, callAs, isUnproven } from "./api";
import * as session from "./session";

export type { EnvelopeInfo };
export { inspect };

/** The longest header, and so what of a file is enough to inspect it. */
export const MAX_HEADER = 64 * 1024;

let client: Promise<Keyfold> | undefined;
let handedOut: string | undefined;

/**
 * The token for the package. It asks again when the server has refused the one before; only then
 * it is worth a call to find out.
 */
async function token(): Promise<{ token: string; expires?: Date }> {
  let now = await session.token();
  if (now === handedOut) {
    try {
      await callAs(now, "TrentService.ListKeys", { Limit: 1 });
    } catch (error) {
      if (isUnproven(error)) {
        await session.renewed(now);
        now = await session.token();
      }
    }
  }
  handedOut = now;
  const { expires } = session.read(now);
  return expires === undefined ? { token: now } : { token: now, expires: new Date(expires) };
}

/** The client of this session. Nothing is cached: each data key is one call in the audit log. */
export function keyfold(): Promise<Keyfold> {
  client ??= Keyfold.create({ kms: remote({ url: SERVER.origin, token }), cache: null });
  return client;
}

/** Forgets all that the client knows. */
export function forget(): void {
  handedOut = undefined;
  void client?.then((kf) => kf.dispose());
  client = undefined;
}

/** A key as people write it: an id, an ARN, an alias with or without `alias/`. */
export function keyName(text: string): string {
  const name = text.trim().replace(/^keyfold:/, "");
  const isName = /^(?:arn:|alias\/|[0-9a-f]{8}-[0-9a-f]{4}-)/.test(name);
  return name === "" || isName ? name : `alias/${name}`;
}

/** The same as the package names it. */
export function keyUri(text: string): KeyUri {
  return `keyfold:${keyName(text)}`;
}

/** Whose signature is demanded: that of a KMS key, or none. */
export async function signers(key: string): Promise<{ signers?: Signers }> {
  if (key.trim() === "") return {};
  return { signers: await (await keyfold()).publicKey(keyUri(key)) };
}

/** Which keys may open an envelope: one, or all that somebody may use. */
export function opener(key: string) {
  return key.trim() === "" ? { discover: "keyfold" } : { unwrap: [keyUri(key)] };
}
