/** What a page downloads that encrypts and decrypts: bundled, minified, as gzip sends it. */

import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

/** The default page of each, with what talks to its KMS where it has one. */
const PAGES = {
  keyfold: `
    import { Keyfold, remote } from "keyfold";
    const kf = await Keyfold.create({ kms: remote(globalThis.options) });
    globalThis.page = [kf.encrypt, kf.decrypt, kf.sealStream, kf.openStream, kf.open];`,
  "@aws-crypto/client-browser": `
    import "./buffer.js";
    import { KMS, KmsKeyringBrowser, buildClient, getClient } from "@aws-crypto/client-browser";
    const keyring = new KmsKeyringBrowser({ clientProvider: getClient(KMS, globalThis.options) });
    globalThis.page = [buildClient(), keyring];`,
  "@noble/ciphers": `
    import { gcm } from "@noble/ciphers/aes.js";
    import { managedNonce } from "@noble/ciphers/utils.js";
    globalThis.page = managedNonce(gcm);`,
  "age-encryption": `
    import { Decrypter, Encrypter } from "age-encryption";
    globalThis.page = [new Decrypter(), new Encrypter()];`,
};

/** Bytes, as in the package's own ledger, which weighs its files one by one. */
const LIMIT = 90 * 1024;

export async function measure(args, report) {
  for (const [subject, contents] of Object.entries(PAGES)) {
    const folder = subject.startsWith("@aws")
      ? join(args.work, "aws-browser")
      : import.meta.dirname;
    const { outputFiles, metafile } = await build({
      stdin: { contents, resolveDir: folder },
      bundle: true,
      minify: true,
      splitting: true,
      format: "esm",
      target: "es2022",
      write: false,
      metafile: true,
      outdir: "out",
      define: { global: "globalThis" },
      logLevel: "error",
    });
    const size = atOnce(metafile, outputFiles)
      .map((file) => gzipSync(file.contents, { level: 9 }).length)
      .reduce((a, b) => a + b);
    const about = { case: "size", subject, size: 0, direction: "", metric: "download" };
    report.row({ ...about, value: size / 1024, unit: "KiB" });
    if (subject === "keyfold") {
      report.floor("default page, gzip", size / 1024, LIMIT / 1024, "KiB", false);
    }
  }
}

/** What the entry loads by itself: what is imported on demand is not downloaded before. */
function atOnce({ outputs }, files) {
  const entry = Object.keys(outputs).find((path) => outputs[path].entryPoint);
  const wanted = new Set([entry]);
  for (const path of wanted) {
    for (const { path: to, kind } of outputs[path].imports) {
      if (kind === "import-statement") wanted.add(to);
    }
  }
  return files.filter((file) => [...wanted].some((path) => file.path.endsWith(path)));
}
