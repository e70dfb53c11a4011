// KMSs: remote ones over a `fetch` of the test's, and cancelled calls.
import assert from "node:assert/strict";
import test from "node:test";
import { Keyfold, client, embedded, keyfold, rejects, remote, utf8 } from "./support.mjs";

/** A server in the place of `fetch`: an embedded KMS behind the AWS protocol. */
async function server() {
  const { kms, docs } = await client();
  const state = { requests: [], answers: [], kms, docs };
  state.fetch = async (url, init) => {
    const headers = new Headers(init.headers);
    const name = headers.get("x-amz-target").split(".").pop();
    state.requests.push({
      url: String(url),
      name,
      authorization: headers.get("authorization"),
      init,
    });
    const told = state.answers.shift();
    if (told) return told(url, init);
    const body = JSON.parse(new TextDecoder().decode(init.body));
    if (name === "GenerateDataKey") {
      const context = body.EncryptionContext ?? {};
      const made = await kms.call({
        type: "generateDataKey",
        key: `keyfold:${body.KeyId}`,
        context,
      });
      return Response.json({
        KeyId: made.wrapped.key.slice(8),
        Plaintext: Buffer.from(made.dataKey).toString("base64"),
        CiphertextBlob: Buffer.from(made.wrapped.ciphertext).toString("base64"),
      });
    }
    return Response.json(await kms.operation(name, body));
  };
  return state;
}

const refuse = (status, type) => async () => Response.json({ __type: type }, { status });

test("a token is asked for once, again when it is refused, and before it ends", async () => {
  const state = await server();
  let asked = 0;
  const token = async () => `token-${(asked += 1)}`;
  const kms = remote({ url: "https://kms.example.com", token, fetch: state.fetch });
  const kf = await Keyfold.create({ kms, keys: state.docs });
  await kf.encrypt(utf8("x"));
  await kf.keys.list();
  assert.equal(asked, 1);
  assert.deepEqual(
    state.requests.map(({ authorization }) => authorization),
    ["Bearer token-1", "Bearer token-1"],
  );
  assert.ok(state.requests.every(({ url }) => url.startsWith("https://kms.example.com/")));
  state.answers.push(refuse(400, "ExpiredTokenException"));
  await kf.keys.list();
  assert.equal(asked, 2);
  assert.equal(state.requests.at(-1).authorization, "Bearer token-2");

  const ending = async () => ({ token: `t${(asked += 1)}`, expires: new Date(Date.now() + 1000) });
  asked = 0;
  const soon = remote({ url: "https://kms.example.com", token: ending, fetch: state.fetch });
  const admin = new keyfold.KeyAdmin(soon);
  await admin.list();
  await new Promise((resume) => setTimeout(resume, 1100));
  await admin.list();
  assert.equal(asked, 2);
});

test("a token function that fails is kms_denied, with its cause", async () => {
  const state = await server();
  const cause = new Error("signed out");
  const token = async () => {
    throw cause;
  };
  const kf = await Keyfold.create({
    kms: remote({ url: "https://kms.example.com", token, fetch: state.fetch }),
    keys: state.docs,
  });
  assert.equal((await rejects(kf.encrypt(utf8("x")), "kms_denied")).cause, cause);
  assert.equal(state.requests.length, 0);
});

test("failed calls are repeated as often as was said", async () => {
  const state = await server();
  const options = { url: "https://kms.example.com", token: "t", fetch: state.fetch };
  const kf = await Keyfold.create({ kms: remote(options), keys: state.docs });
  state.answers.push(refuse(500, "InternalFailure"), async () => {
    throw new TypeError("fetch failed");
  });
  await kf.encrypt(utf8("x"));
  assert.equal(state.requests.length, 3);
  state.requests.length = 0;
  const never = await Keyfold.create({ kms: remote({ ...options, retries: 0 }), keys: state.docs });
  state.answers.push(refuse(503, "InternalFailure"));
  await rejects(never.encrypt(utf8("x")), "kms_unavailable");
  assert.equal(state.requests.length, 1);
  state.answers.push(refuse(400, "AccessDeniedException"));
  await rejects(kf.encrypt(utf8("y"), { context: { a: "b" } }), "kms_denied");
  assert.equal(state.requests.length, 2);
  state.answers.push(async () => new Response("<html>", { status: 200 }));
  await rejects(kf.encrypt(utf8("y"), { context: { a: "c" } }), "kms_protocol");
});

test("what takes too long is given up, and what is aborted is ended", async () => {
  const signals = [];
  const hanging = (url, { signal }) => {
    signals.push(signal);
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason)),
    );
  };
  const kms = remote({ url: "https://kms.example.com", token: "t", timeout: 50, fetch: hanging });
  const kf = await Keyfold.create({ kms, keys: "keyfold:alias/docs" });
  await rejects(kf.encrypt(utf8("x")), "kms_unavailable");
  assert.equal(signals.at(-1).aborted, true);

  const patient = remote({ url: "https://kms.example.com", token: "t", fetch: hanging });
  const waiting = await Keyfold.create({ kms: patient, keys: "keyfold:alias/docs" });
  for (const call of [
    (signal) => waiting.encrypt(utf8("x"), { signal }),
    (signal) => waiting.secrets.get("name", { signal }),
    (signal) => waiting.keys.list({ signal }),
    (signal) =>
      waiting.sealStream({ signal }).getReader?.() ??
      waiting.encrypt(new Uint8Array(100_000), { signal }),
  ]) {
    const controller = new AbortController();
    const before = signals.length;
    const promise = rejects(call(controller.signal), "cancelled");
    while (signals.length === before) await new Promise((resume) => setImmediate(resume));
    assert.equal(signals.at(-1).aborted, false);
    controller.abort("enough");
    assert.equal((await promise).cause, "enough");
    assert.equal(signals.at(-1).aborted, true);
  }
});

test("a call that another waits for can be aborted alone", async () => {
  const { kms, docs } = await client();
  let calls = 0;
  let go;
  const gate = new Promise((resolve) => (go = resolve));
  const slow = {
    async call(request, signal) {
      calls += 1;
      await gate;
      return kms.call(request, signal);
    },
  };
  const kf = await Keyfold.create({ kms: slow, keys: docs });
  const controller = new AbortController();
  const first = rejects(kf.encrypt(utf8("1"), { signal: controller.signal }), "cancelled");
  const second = kf.encrypt(utf8("2"));
  await new Promise((resume) => setImmediate(resume));
  controller.abort();
  await first;
  go();
  await second;
  assert.equal(calls, 2);
});

test("addresses and credentials of another form are refused", async () => {
  for (const options of [
    { url: "https://kms.example.com" },
    { url: "https://kms.example.com", token: "a", credentials: { id: "a", secret: "b" } },
  ]) {
    assert.throws(() => remote(options), { code: "invalid_argument" });
  }
  for (const [url, token] of [
    ["http://kms.example.com", "t"],
    ["ftp://x", "t"],
    ["https://kms.example.com", "a b"],
  ]) {
    await rejects(
      new keyfold.KeyAdmin(remote({ url, token, fetch: () => assert.fail() })).list(),
      "invalid_argument",
    );
  }
});

test("an access key signs, and the host's own header stays its own", async () => {
  const state = await server();
  const credentials = { id: "AKIDEXAMPLE", secret: "secret", sessionToken: "session" };
  const kms = remote({ url: "aws://eu-west-1", credentials, fetch: state.fetch });
  assert.equal(kms.scheme, "aws");
  await new keyfold.KeyAdmin(kms).list();
  const [{ url, authorization, init }] = state.requests;
  assert.equal(url, "https://kms.eu-west-1.amazonaws.com/");
  assert.match(
    authorization,
    /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/kms\/aws4_request, /,
  );
  const headers = new Headers(init.headers);
  assert.equal(headers.get("host"), null);
  assert.equal(headers.get("x-amz-security-token"), "session");
  assert.deepEqual([init.redirect, init.credentials, init.cache], ["error", "omit", "no-store"]);
  // The request is wiped once it was answered.
  assert.ok(init.body.every((byte) => byte === 0));
});

test("a remote KMS can be asked by hand, and wrapped", async () => {
  const state = await server();
  const kms = remote({ url: "https://kms.example.com", token: "t", fetch: state.fetch });
  const answer = await kms.call({ type: "generateDataKey", key: state.docs, context: {} });
  assert.equal(answer.dataKey.length, 32);
  assert.equal(answer.wrapped.key, state.docs);
  await rejects(kms.call({ type: "nonsense" }), "invalid_argument");
  const made = await embedded()
    .call({ type: "getSecret", name: "x" })
    .catch((error) => error.code);
  assert.equal(made, "secret_not_found");
});
