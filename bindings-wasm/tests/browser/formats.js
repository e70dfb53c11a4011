/** What every browser has to do: vectors, streams, ranges, and the command line's envelopes. */

import assert from "node:assert/strict";
import { createHash, randomBytes, randomInt } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

/** Splits and places are random; what fails tells the seed. */
const seed = Number(process.env.KEYFOLD_SEED ?? randomInt(2 ** 31));

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("base64");

/** `at()` answers `{ page, site, server }`. */
export function formats(at) {
  const access = () => at().server.access;
  const call = (name, args = {}) => at().page.call(name, { ...access(), seed, ...args });

  test("the valid vectors open", async () => {
    assert.ok((await call("validVectors")) >= 80);
  });

  test("parts of the valid vectors", async () => {
    assert.ok((await call("vectorRanges")) >= 80);
  });

  test("the hostile vectors are refused with their codes", async () => {
    assert.ok((await call("hostileVectors")) >= 400);
  });

  test("streams in random splits", async () => {
    assert.ok((await call("randomSplits")) >= 100);
  });

  test("signed and detached streams", () => call("signedStreams"));

  test("streams that are cut or changed", () => call("damagedStreams"));

  test("streams and values that are aborted", () => call("abortedStreams"));

  test("progress", () => call("progress"));

  test("random parts of blobs, files and URLs", () => call("randomRanges"));

  test("only the bytes of a part are fetched", () => call("fewBytes"));

  test("servers that ignore ranges, change the resource, cut answers, or lie", () =>
    call("faultyServers"));

  test("a consumer that stops holds its producer back", async () => {
    const between = await call("stoppedConsumer");
    assert.ok(between <= MOST_BETWEEN, `${between} bytes between producer and consumer`);
  });

  test("the page opens what the command line writes", async () => {
    const { site, server } = at();
    const signer = await server.keyfold("key", "create", "--spec", "ECC_NIST_P256", "--json");
    const { KeyId: id } = JSON.parse(signer);
    for (const signed of [undefined, `keyfold:${id}`]) {
      const plain = randomBytes(3_000_000);
      const [from, to] = ["plain", "sealed"].map((name) => join(server.home, name));
      await writeFile(from, plain);
      const words = ["encrypt", from, "--output", to, "--force", "--key", "alias/docs"];
      const more = signed ? ["--sign-with", id] : [];
      await server.keyfold(...words, "--context", "tenant=acme", ...more);
      site.put("/stored/command.kf", await readFile(to));
      const found = await call("decryptFrom", { path: "/stored/command.kf", signed });
      assert.equal(found, sha256(plain));
    }
  });

  test("the command line opens what the page writes", async () => {
    const { site, server } = at();
    const path = "/stored/page.kf";
    const found = await call("encryptTo", { path, size: 3_000_000 });
    const [from, to] = ["page.kf", "page"].map((name) => join(server.home, name));
    await writeFile(from, site.stored.get(path).bytes);
    const words = ["decrypt", from, "--output", to, "--force", "--context", "tenant=acme"];
    await server.keyfold(...words, "--key", "alias/docs");
    assert.equal(sha256(await readFile(to)), found);
  });

  test("a secret of the command line's", async () => {
    const { server } = at();
    const value = join(server.home, "secret");
    await writeFile(value, "correct horse");
    await server.keyfold("secret", "put", "db/password", value);
    assert.equal(await call("readSecret", { secret: "db/password" }), "correct horse");
  });
}

/** Bytes of plaintext that are under way at the most: queues of six streams, and work. */
export const MOST_BETWEEN = 8 << 20;
