/** A KMS that is not there, refuses, or is slow; tokens that end. */

import { Keyfold, KeyfoldError, remote } from "keyfold";

import { check, client, equal, random, refused, sameBytes, utf8 } from "./check.js";

const options = { keys: "keyfold:alias/docs", context: { tenant: "acme" }, cache: null };

/** Nobody listens there. */
export async function offline({ closed, token }) {
  const kms = remote({ url: closed, token, retries: 0 });
  const kf = await Keyfold.create({ kms, ...options });
  const error = await refused(() => kf.encrypt(utf8("hello")), "kms_unavailable", "offline");
  equal(error.retryable, true, "retryable");
  equal(error.retry, "later", "retry");
  const stream = () => new Blob(["hello"]).stream().pipeThrough(kf.sealStream()).getReader().read();
  await refused(stream, "kms_unavailable", "offline, a stream");
}

/** What is cached needs no server: one goes away and comes back. */
export async function comesBack({ url, token }) {
  let away = false;
  const flaky = (...request) => {
    if (away) throw new TypeError("network");
    return fetch(...request);
  };
  const kms = remote({ url, token, retries: 0, fetch: flaky });
  const kf = await Keyfold.create({ kms, keys: options.keys, context: options.context });
  const sealed = await kf.encrypt(utf8("hello"));
  sameBytes(await kf.decrypt(sealed), utf8("hello"), "at first");
  away = true;
  await kf.encrypt(utf8("more"));
  sameBytes(await kf.decrypt(sealed), utf8("hello"), "from the cache");
  kf.clearCache();
  // Its text tells what each of the recipients' KMSs answered.
  const error = await refused(() => kf.decrypt(sealed), "no_usable_key", "away");
  check(error.retryable, "retryable");
  away = false;
  sameBytes(await kf.decrypt(sealed), utf8("hello"), "back");
}

/** A token that has ended is asked for again, and only then. */
export async function refreshed({ url, token, expired }) {
  let asked = 0;
  const given = [expired, token];
  const kms = remote({ url, token: async () => given[Math.min(asked++, 1)] });
  const kf = await Keyfold.create({ kms, ...options });
  sameBytes(await kf.decrypt(await kf.encrypt(utf8("hello"))), utf8("hello"), "refreshed");
  equal(asked, 2, "tokens asked for");
  // One that says when it ends is replaced before.
  let made = 0;
  const ending = () => ({ token, expires: new Date(Date.now() + (made++ ? 3_600_000 : 1)) });
  const kf2 = await Keyfold.create({ kms: remote({ url, token: ending }), ...options });
  await kf2.encrypt(utf8("hello"));
  await new Promise((resume) => setTimeout(resume, 20));
  await kf2.encrypt(utf8("hello"));
  await kf2.encrypt(utf8("hello"));
  equal(made, 2, "tokens that say when they end");
}

/** Tokens that cannot be refreshed. */
export async function ended({ url, expired }) {
  const encrypt = async (token) => {
    const kf = await Keyfold.create({ kms: remote({ url, token }), ...options });
    return kf.encrypt(utf8("hello"));
  };
  const error = await refused(() => encrypt(expired), "kms_denied", "a fixed token");
  equal(error.retryable, false, "retryable");
  equal(error.retry, "after_change", "retry");
  let asked = 0;
  const same = () => {
    asked += 1;
    return expired;
  };
  await refused(() => encrypt(same), "kms_denied", "the same token again");
  check(asked <= 3, `asked ${asked} times`);
  const gone = () => Promise.reject(new Error("signed out"));
  const failed = await refused(() => encrypt(gone), "kms_denied", "no token");
  equal(failed.cause?.message, "signed out", "the cause");
  const own = new KeyfoldError("kms_unavailable", "the identity provider is down");
  const thrown = await refused(() => encrypt(() => Promise.reject(own)), "kms_unavailable", "own");
  check(thrown.retryable, "retryable");
}

/** A signal ends a call that waits for the KMS, and the request with it. */
export async function abortedCalls({ url, token }) {
  let begun;
  let ended;
  const slow = (_url, { signal }) =>
    new Promise((_resolve, reject) => {
      begun?.();
      signal.addEventListener("abort", () => {
        ended?.();
        reject(signal.reason);
      });
    });
  const kms = remote({ url, token, fetch: slow });
  const kf = await Keyfold.create({ kms, ...options });
  for (const call of [
    (signal) => kf.encrypt(random(100), { signal }),
    (signal) => kf.encrypt(random(100_000), { signal }),
    (signal) =>
      kf.sign(utf8("m"), { key: "keyfold:alias/docs", algorithm: "ECDSA_SHA_256", signal }),
    (signal) => kf.keys.list({ signal }),
    (signal) => kf.secrets.get("name", { signal }),
  ]) {
    const stop = new AbortController();
    const sent = new Promise((resolve) => (begun = resolve));
    const gone = new Promise((resolve) => (ended = resolve));
    const waiting = call(stop.signal);
    waiting.catch(() => undefined);
    await sent;
    stop.abort(new Error("enough"));
    const error = await refused(() => waiting, "cancelled", String(call));
    equal(error.cause?.message, "enough", "the signal's reason");
    await gone;
  }
}

/** A KMS written in JavaScript. */
export async function ownKms(server) {
  const inner = remote({ url: server.url, token: server.token });
  const seen = [];
  const kms = {
    call(request, signal) {
      seen.push(request.type);
      return inner.call(request, signal);
    },
  };
  const kf = await client(server, { kms });
  const plain = random(1000);
  for (let n = 0; n < 5; n += 1) sameBytes(await kf.decrypt(await kf.encrypt(plain)), plain, "own");
  equal(seen.filter((type) => type === "generateDataKey").length, 1, "data keys");
  await refused(() => kf.keys.list(), "invalid_argument", "without `operation`");
  const mad = { call: () => Promise.reject(new RangeError("out of order")) };
  const failing = await Keyfold.create({ kms: mad, ...options });
  const error = await refused(() => failing.encrypt(plain), "kms_unavailable", "another error");
  equal(error.cause?.message, "out of order", "the cause");
}

/** Where a policy forbids WebAssembly, the first call says that it does not start. */
export async function noWebAssembly({ url, token }) {
  const create = () => Keyfold.create({ kms: remote({ url, token }) });
  await refused(create, "internal", "without `wasm-unsafe-eval`");
}
