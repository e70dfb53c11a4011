/** What the suite shares: assertions, bytes, clients. */

import { Keyfold, isKeyfoldError, remote } from "keyfold";

export function equal(found, expected, what) {
  if (!Object.is(found, expected)) throw new Error(`${what}: ${found} is not ${expected}`);
}

export function check(condition, what) {
  if (!condition) throw new Error(what);
}

export function sameBytes(found, expected, what) {
  equal(found.length, expected.length, `${what}: length`);
  for (let at = 0; at < found.length; at += 1) {
    if (found[at] !== expected[at]) throw new Error(`${what}: another byte at ${at}`);
  }
}

/** The error that `work` ends with, which must be one of keyfold's with this code. */
export async function refused(work, code, what) {
  try {
    await work();
  } catch (error) {
    check(isKeyfoldError(error), `${what}: ${error?.stack ?? error}`);
    equal(error.code, code, `${what} (${error.message})`);
    return error;
  }
  throw new Error(`${what}: not refused`);
}

export function random(length) {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65536));
  }
  return bytes;
}

/** Numbers that a seed decides (mulberry32): a failure can be had again. */
export function numbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

export function concat(parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A stream of these parts. */
export function from(parts) {
  const rest = parts.values();
  return new ReadableStream({
    pull(out) {
      const { done, value } = rest.next();
      if (done) out.close();
      else out.enqueue(value);
    },
  });
}

/** All bytes of a stream. */
export async function collect(stream) {
  const parts = [];
  for (const reader = stream.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return concat(parts);
    parts.push(value);
  }
}

/** Cuts bytes into parts at random places; some are empty. */
export function split(bytes, number, mean) {
  const parts = [];
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + number(mean * 2));
    parts.push(bytes.subarray(at, end));
    at = end;
  }
  return parts;
}

export const toBase64 = (bytes) => {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};

export const fromBase64 = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

export const fromHex = (text) =>
  Uint8Array.from(text.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));

export const utf8 = (text) => new TextEncoder().encode(text);

/** A client of the server that the tests have started. */
export function client({ url, token }, options = {}) {
  const { keys = "keyfold:alias/docs", context = { tenant: "acme" } } = options;
  return Keyfold.create({ kms: remote({ url, token }), keys, context, ...options });
}
