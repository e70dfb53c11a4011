// Parts of a resource over HTTP, from honest servers and others.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import test from "node:test";
import { bytes, client, rejects, same } from "./support.mjs";

const { kf } = await client();
const data = bytes(5_000_000);
const sealed = Buffer.from(await kf.encrypt(data));

/** A server that answers as `lie` says, and counts. */
async function serve(lie = {}) {
  const counts = { requests: 0, bytes: 0, headers: [] };
  const server = createServer((request, response) => {
    counts.requests += 1;
    counts.headers.push(request.headers);
    const whole = lie.data?.(counts) ?? sealed;
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range) ?? [];
    let part = whole.subarray(Number(from), Number(to) + 1);
    const end = Number(from) + part.length - 1;
    const headers = {
      "content-range": `bytes ${from}-${end}/${whole.length}`,
      etag: lie.etag?.(counts) ?? '"one"',
      "content-length": part.length,
      ...lie.headers?.(counts, Number(from), end),
    };
    if (lie.part) part = lie.part(part, counts);
    counts.bytes += part.length;
    for (const [name, value] of Object.entries(headers))
      if (value === undefined) delete headers[name];
    response.writeHead(lie.status?.(counts) ?? 206, headers);
    response.end(part);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${server.address().port}/file`;
  return {
    url,
    counts,
    [Symbol.asyncDispose]: () =>
      new Promise((closed) => {
        server.closeAllConnections();
        server.close(closed);
      }),
  };
}

async function serving(lie, work) {
  const server = await serve(lie);
  try {
    await work(server);
  } finally {
    await server[Symbol.asyncDispose]();
  }
}

test("only what is needed is fetched", () =>
  serving({}, async ({ url, counts }) => {
    const opened = await kf.open(url, { headers: { authorization: "Bearer t" } });
    assert.equal(counts.requests, 1);
    assert.equal(opened.plaintextLength, data.length);
    same(await opened.read({ start: 100, end: 200 }), data.subarray(100, 200));
    assert.equal(counts.requests, 1);
    same(
      await opened.read({ start: 3_000_000, end: 3_000_100 }),
      data.subarray(3_000_000, 3_000_100),
    );
    assert.equal(counts.requests, 2);
    assert.ok(counts.bytes <= 32_768 + 2 * 16_400);
    assert.equal(await opened.verifyLength(), data.length);
    same(await opened.read(), data);
    assert.ok(counts.headers.every((headers) => headers.authorization === "Bearer t"));
    opened.dispose();
    await rejects(opened.read(), "invalid_argument");
  }));

const LATER = { start: 3_000_000, end: 3_100_000 };
const LIES = {
  "ignores the range": [{ status: () => 200 }, "open"],
  "answers another range": [
    {
      headers: (_, from, end) => ({
        "content-range": `bytes ${from + 1}-${end + 1}/${sealed.length}`,
      }),
    },
    "open",
  ],
  "says no range": [{ headers: () => ({ "content-range": undefined }) }, "open"],
  "is not there": [{ status: () => 404 }, "open"],
  "answers less than it said": [
    { headers: () => ({ "content-length": undefined }), part: (part) => part.subarray(0, -5) },
    "open",
  ],
  "answers more than it said": [
    {
      headers: () => ({ "content-length": undefined }),
      part: (part) => Buffer.concat([part, part]),
    },
    "open",
  ],
  "changes the resource": [{ etag: ({ requests }) => `"${requests}"` }, "read"],
  "loses its validator": [
    { headers: ({ requests }) => (requests > 1 ? { etag: undefined } : {}) },
    "read",
  ],
  "changes its length": [
    { data: ({ requests }) => (requests > 1 ? Buffer.concat([sealed, sealed]) : sealed) },
    "read",
  ],
  "ignores the range later": [{ status: ({ requests }) => (requests > 1 ? 200 : 206) }, "read"],
  "lies about the whole": [
    {
      headers: (_, from, end) => ({ "content-range": `bytes ${from}-${end}/${sealed.length + 5}` }),
    },
    "verifyLength",
  ],
};

for (const [name, [lie, where]] of Object.entries(LIES)) {
  test(`a server that ${name} is an error`, () =>
    serving(lie, async ({ url }) => {
      if (where === "open") return void (await rejects(kf.open(url), "io"));
      const opened = await kf.open(url);
      if (where === "read") return void (await rejects(opened.read(LATER), "io"));
      await assert.rejects(opened.verifyLength(), (error) =>
        ["io", "authentication_failed"].includes(error.code),
      );
    }));
}

test("altered bytes are authentication_failed, never wrong bytes", () =>
  serving(
    { part: (part, { requests }) => (requests > 1 ? Buffer.from(part).fill(1, 10, 11) : part) },
    async ({ url }) => {
      const opened = await kf.open(url);
      await rejects(opened.read(LATER), "authentication_failed");
    },
  ));

test("a server that is not there is io, and a signal ends", async () => {
  let gone;
  await serving({}, async ({ url }) => {
    gone = url;
    const opened = await kf.open(url);
    const controller = new AbortController();
    controller.abort("enough");
    assert.equal(
      (await rejects(opened.read({ ...LATER, signal: controller.signal }), "cancelled")).cause,
      "enough",
    );
  });
  const error = await rejects(kf.open(gone), "io");
  assert.ok(!error.message.includes("127.0.0.1"));
});

test("a source of the caller's", async () => {
  const calls = [];
  const source = {
    size: sealed.length,
    readAt: async (offset, length) => {
      calls.push([offset, length]);
      return sealed.subarray(offset, offset + length);
    },
  };
  const opened = await kf.open(source);
  same(await opened.read(LATER), data.subarray(LATER.start, LATER.end));
  assert.equal(calls.length, 2);
  const short = await kf.open({
    ...source,
    readAt: (offset, length) => sealed.subarray(offset, offset + length - (offset > 0 ? 1 : 0)),
  });
  await rejects(short.read(LATER), "io");
  const failing = await kf.open({
    ...source,
    readAt: (offset, length) => {
      if (offset > 0) throw new Error("disk");
      return sealed.subarray(0, length);
    },
  });
  assert.equal((await rejects(failing.read(LATER), "io")).cause.message, "disk");
  await rejects(
    kf.open(sealed.subarray(0, sealed.length - 16_384 - 16)).then((cut) => cut.verifyLength()),
    "authentication_failed",
  );
});
