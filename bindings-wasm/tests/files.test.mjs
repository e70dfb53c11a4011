// From file to file.
import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { pathToFileURL } from "node:url";
import { decryptFile, encryptFile } from "keyfold/files";
import { bytes, client, rejects, same } from "./support.mjs";

let folder;
before(async () => {
  folder = await fs.mkdtemp(join(tmpdir(), "keyfold-files-"));
});
after(() => fs.rm(folder, { recursive: true }));

/** A folder of a test's own, with files. */
async function put(name, files) {
  const path = join(folder, name);
  await fs.mkdir(path);
  for (const [file, data] of Object.entries(files)) await fs.writeFile(join(path, file), data);
  return (file) => join(path, file);
}

test("files of every length", async () => {
  const { kf, admin } = await client();
  const signer = await admin.create({ spec: "ECC_NIST_P256" });
  const signed = { signers: await kf.publicKey(signer) };
  for (const length of [0, 1, 16_383, 16_384, 524_288, 524_289, 1_572_864, 5_000_000]) {
    const data = bytes(length, "files");
    const at = await put(`length-${length}`, { plain: data });
    const progress = [];
    const made = await encryptFile(kf, at("plain"), at("sealed"), {
      onProgress: (told) => progress.push(told),
    });
    const sealed = await fs.readFile(at("sealed"));
    assert.equal(made, sealed.length);
    assert.deepEqual(progress.at(-1), { done: length, total: length });
    same(await kf.decrypt(sealed), data);
    assert.equal(await decryptFile(kf, pathToFileURL(at("sealed")), at("opened")), length);
    same(await fs.readFile(at("opened")), data);

    await encryptFile(kf, at("plain"), at("signed"), { signer });
    assert.equal(await decryptFile(kf, at("signed"), at("opened"), signed), length);
    same(await fs.readFile(at("opened")), data);
  }
});

test("what a link leads to is replaced, with the permissions of the source", async () => {
  const { kf } = await client();
  const data = bytes(100_000);
  const at = await put("place", { plain: data, old: "old" });
  await fs.chmod(at("plain"), 0o640);
  await fs.symlink("old", at("link"));
  await encryptFile(kf, at("plain"), at("link"));
  assert.ok((await fs.lstat(at("link"))).isSymbolicLink());
  const about = await fs.stat(at("old"));
  assert.equal(about.mode & 0o777, 0o640 & ~process.umask());
  same(await kf.decrypt(await fs.readFile(at("old"))), data);
  assert.deepEqual((await fs.readdir(at("."))).sort(), ["link", "old", "plain"]);
});

test("the input is never the target, whatever its name", async () => {
  const { kf } = await client();
  const data = bytes(100_000);
  const sealed = await kf.encrypt(data);
  const at = await put("same", { plain: data, sealed });
  for (const [direction, name, before] of [
    [encryptFile, "plain", data],
    [decryptFile, "sealed", sealed],
  ]) {
    await fs.symlink(name, at(`${name}-link`));
    await fs.link(at(name), at(`${name}-hard`));
    for (const target of [name, `${name}-link`, `${name}-hard`]) {
      const error = await rejects(direction(kf, at(name), at(target)), "invalid_argument");
      assert.match(error.message, /is the input/);
      await rejects(direction(kf, at(target), at(name)), "invalid_argument");
      same(await fs.readFile(at(name)), before);
    }
  }
  assert.equal((await fs.readdir(at("."))).length, 6);
});

test("what fails leaves everything as it was", async () => {
  const { kf } = await client();
  const data = bytes(3_000_000);
  const sealed = await kf.encrypt(data);
  const turned = Buffer.from(sealed);
  turned[2_000_000] ^= 1;
  const at = await put("failures", {
    plain: data,
    sealed,
    turned,
    cut: sealed.subarray(0, 2_500_000),
    header: sealed.subarray(0, 20),
    old: "old",
  });
  const there = (await fs.readdir(at("."))).sort();
  const fails = async (work, code, cause) => {
    const error = await rejects(work, code);
    if (cause) assert.equal(error.cause.code, cause);
    assert.deepEqual((await fs.readdir(at("."))).sort(), there);
    assert.equal(await fs.readFile(at("old"), "utf8"), "old");
  };
  await fails(decryptFile(kf, at("turned"), at("old")), "authentication_failed");
  await fails(decryptFile(kf, at("cut"), at("new")), "authentication_failed");
  await fails(decryptFile(kf, at("header"), at("new")), "truncated");
  await fails(decryptFile(kf, at("plain"), at("new")), "malformed_envelope");
  await fails(
    decryptFile(kf, at("sealed"), at("new"), { context: { a: "b" } }),
    "context_mismatch",
  );
  await fails(encryptFile(kf, at("plain"), at("old"), { overwrite: false }), "io", "EEXIST");
  await fails(encryptFile(kf, at("missing"), at("new")), "io", "ENOENT");
  await fails(encryptFile(kf, at("plain"), at("no/such/folder")), "io", "ENOENT");
  await fails(encryptFile(kf, at("."), at("new")), "invalid_argument");
  if (process.platform === "linux") {
    // It has no length, and yet something in it.
    await fails(encryptFile(kf, "/proc/version", at("new")), "invalid_argument");
  }
  const reason = new Error("enough");
  for (const direction of [encryptFile, decryptFile]) {
    const source = at(direction === encryptFile ? "plain" : "sealed");
    const end = new AbortController();
    const options = { signal: end.signal, onProgress: () => end.abort(reason) };
    const stopped = rejects(direction(kf, source, at("new"), options), "cancelled");
    assert.equal((await stopped).cause, reason);
    assert.deepEqual((await fs.readdir(at("."))).sort(), there);
    await fails(direction(kf, source, at("new"), { signal: AbortSignal.abort() }), "cancelled");
    const thrown = () => {
      throw reason;
    };
    await assert.rejects(direction(kf, source, at("new"), { onProgress: thrown }));
    assert.deepEqual((await fs.readdir(at("."))).sort(), there);
  }
});
