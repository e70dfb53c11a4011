// What the tests share. They run in a folder where the packed package is installed, never against
// the sources.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.cwd(), "package.json"));
const installed = dirname(require.resolve("keyfold/package.json"));

/** `node` or `web`: which of the package's loaders is tested. */
export const HOST = process.env.KEYFOLD_HOST ?? "node";
/** The folder of the project. */
export const PROJECT = process.env.KEYFOLD_PROJECT;
/** The package, by the loader of this run. */
export const keyfold = await import(pathToFileURL(join(installed, "dist", `${HOST}.js`)));

export const { Keyfold, KeyfoldError, embedded, inspect, isKeyfoldError, remote } = keyfold;

export const utf8 = (text) => new TextEncoder().encode(text);
export const fromHex = (text) => Uint8Array.from(Buffer.from(text, "hex"));

/** Bytes that are the same in every run. */
export function bytes(length, seed = "") {
  const blocks = [];
  for (let n = 0; n * 64 < length; n += 1) {
    blocks.push(createHash("sha512").update(`${seed}${n}`).digest());
  }
  return new Uint8Array(Buffer.concat(blocks).subarray(0, length));
}

/** Numbers from 0 to 1 that are the same in every run. */
export function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A stream of bytes in parts of random lengths. */
export function inParts(data, next, longest) {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= data.length) return controller.close();
      const length = 1 + Math.floor(next() * longest);
      controller.enqueue(data.slice(at, at + length));
      at += length;
    },
  });
}

/** All bytes of a stream. */
export async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}

/** That a promise rejects with this code; answers the error. */
export async function rejects(promise, code) {
  let answer;
  try {
    answer = await promise;
  } catch (error) {
    assert.ok(isKeyfoldError(error), `${error?.stack ?? error}`);
    assert.equal(error.code, code, error.stack);
    return error;
  }
  assert.fail(`${code} was expected, not an answer of ${answer?.length ?? answer}`);
}

export function same(actual, expected) {
  assert.equal(Buffer.compare(Buffer.from(actual), Buffer.from(expected)), 0);
}

export function readJson(path) {
  return JSON.parse(readFileSync(join(PROJECT, path), "utf8"));
}

/** Counts the requests to another KMS, by their types. */
export class Counting {
  calls = [];
  constructor(inner) {
    this.inner = inner;
  }
  call(request, signal) {
    this.calls.push(request.type);
    return this.inner.call(request, signal);
  }
}

/** A client over an embedded KMS, with a key. */
export async function client(options = {}) {
  const kms = embedded();
  const admin = new keyfold.KeyAdmin(kms);
  const docs = await admin.create({ alias: "alias/docs" });
  const kf = await Keyfold.create({ kms, keys: docs, context: { tenant: "acme" }, ...options });
  return { kms, admin, docs, kf };
}
