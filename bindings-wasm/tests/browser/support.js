/** What the tests start: keyfold's own server, and a site that serves pages as strictly as any. */

import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, resolve, sep } from "node:path";

import { Server, given } from "./web/server.mjs";

/** A server that pages call. */
export class PageServer extends Server {
  /** Pages of these origins may call. */
  async prepare(origins) {
    await this.keyfold("key", "create", "--alias", "alias/docs");
    return ["--config", await this.#configuration(origins)];
  }

  /** With an issuer of tokens whose clock is exact, so that tokens end when they say. */
  async #configuration(origins) {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.issuer = privateKey;
    const key = { ...publicKey.export({ format: "jwk" }), kid: "1", alg: "ES256", use: "sig" };
    const keys = join(this.home, "jwks.json");
    await writeFile(keys, JSON.stringify({ keys: [key] }));
    const configuration = join(this.home, "serve.toml");
    await writeFile(
      configuration,
      `[cors]
origins = ${JSON.stringify(origins)}

[[auth.tokens.issuers]]
name = "page"
issuer = "https://login.example.com/"
audiences = ["keyfold"]
jwks_file = ${JSON.stringify(keys)}
leeway_seconds = 0
allow = ["*"]
`,
    );
    return configuration;
  }

  /** A token that ends so many seconds from now; it has ended already where they are negative. */
  token(seconds) {
    const now = Math.floor(Date.now() / 1000);
    const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = {
      iss: "https://login.example.com/",
      aud: "keyfold",
      sub: "page",
      iat: now - 600,
      exp: now + seconds,
    };
    const signed = `${encode({ alg: "ES256", typ: "JWT", kid: "1" })}.${encode(claims)}`;
    const options = { key: this.issuer, dsaEncoding: "ieee-p1363" };
    return `${signed}.${sign("sha256", Buffer.from(signed), options).toString("base64url")}`;
  }

  /** What the suite's functions take to reach it. */
  get access() {
    return { url: this.url, token: this.token(3600) };
  }
}

/** An address of this machine where nobody listens. */
export async function closedAddress() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  await new Promise((resolve) => server.close(resolve));
  return url;
}

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".json": "application/json" };

/**
 * A site with the pages of a folder, on a free port of this machine, under a strict content security
 * policy, which forbids WebAssembly as well to `?no-wasm`. It stores what is PUT under `/stored/`,
 * and serves it with ranges, or with a fault.
 */
export class Site {
  static async start(folder) {
    const site = new Site();
    site.folder = folder;
    site.stored = new Map();
    site.faults = new Set();
    site.traffic = { bytes: 0, requests: 0 };
    site.server = createServer((request, response) => {
      site.#answer(request, response).catch((error) => response.destroy(error));
    });
    await new Promise((resolve) => site.server.listen(0, "127.0.0.1", resolve));
    site.url = `http://127.0.0.1:${site.server.address().port}`;
    return site;
  }

  /** The pages may connect to this address, too. */
  allow(...addresses) {
    this.addresses = addresses;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  async #answer(request, response) {
    const url = new URL(request.url, this.url);
    for (const [name, value] of Object.entries({
      "content-security-policy": [
        "default-src 'none'",
        `script-src 'self' ${url.search === "?no-wasm" ? "" : "'wasm-unsafe-eval'"}`,
        "worker-src 'self'",
        // Of the page's icon, which browsers ask for by themselves.
        "img-src 'self'",
        `connect-src 'self' ${(this.addresses ?? []).join(" ")}`,
        "base-uri 'none'",
        "form-action 'none'",
      ].join("; "),
      // Isolated, so that a page may measure its memory.
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
      "cross-origin-resource-policy": "same-origin",
      "service-worker-allowed": "/",
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
    })) {
      response.setHeader(name, value);
    }
    if (url.pathname === "/traffic") {
      response.end(JSON.stringify(this.traffic));
      this.traffic = { bytes: 0, requests: 0 };
    } else if (url.pathname.startsWith("/stored/")) {
      if (request.method === "PUT") await this.#store(url.pathname, request, response);
      else this.#serve(url, request, response);
    } else {
      await this.#page(url.pathname, response);
    }
  }

  async #page(path, response) {
    const vectors = path.startsWith("/vectors/");
    const folder = vectors ? given("KEYFOLD_VECTORS") : this.folder;
    const name = vectors ? path.slice("/vectors/".length) : path === "/" ? "index.html" : path;
    const file = resolve(folder, `.${sep}${name}`);
    try {
      if (!file.startsWith(resolve(folder) + sep)) throw new Error("elsewhere");
      const body = await readFile(file);
      response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
      response.end(body);
    } catch {
      response.writeHead(path === "/favicon.ico" ? 204 : 404).end();
    }
  }

  async #store(path, request, response) {
    const parts = [];
    for await (const part of request) parts.push(part);
    this.put(path, Buffer.concat(parts));
    response.writeHead(204).end();
  }

  put(path, bytes) {
    const etag = `"${createHash("sha256").update(bytes).digest("hex").slice(0, 16)}"`;
    this.stored.set(path, { bytes, etag });
    this.faults.clear();
  }

  #serve(url, request, response) {
    const found = this.stored.get(url.pathname);
    if (!found) return response.writeHead(404).end();
    const { bytes, etag } = found;
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    const [from, last] = range ? [Number(range[1]), Number(range[2])] : [0, bytes.length - 1];
    // A fault happens once: at the first answer, or at the first from further on.
    const due = !url.searchParams.has("later") || from > 0;
    const fault = due && !this.faults.has(url.search) ? url.searchParams.get("fault") : null;
    if (fault) this.faults.add(url.search);
    const to = Math.min(last, bytes.length - 1) + 1;
    let part = range ? bytes.subarray(from, to) : bytes;
    const headers = {
      "accept-ranges": "bytes",
      etag: fault === "etag" ? '"another"' : etag,
      "last-modified":
        fault === "modified" ? "Tue, 01 Jan 2030 00:00:00 GMT" : "Mon, 01 Jan 2024 00:00:00 GMT",
      "content-range": `bytes ${from}-${to - 1}/${bytes.length + (fault === "size" ? 1 : 0)}`,
      "content-length": part.length,
    };
    let status = range ? 206 : 200;
    if (!range) delete headers["content-range"];
    switch (fault) {
      case "ignore":
        [status, part] = [200, bytes];
        delete headers["content-range"];
        headers["content-length"] = bytes.length;
        break;
      case "none":
        [status, part] = [404, Buffer.alloc(0)];
        break;
      case "status":
        [status, part] = [503, Buffer.alloc(0)];
        break;
      case "other":
        headers["content-range"] = `bytes ${from + 1}-${to}/${bytes.length}`;
        break;
      case "unsaid":
        delete headers["content-range"];
        break;
      case "less":
        part = part.subarray(0, part.length - 100);
        break;
      case "more":
        part = Buffer.concat([part, Buffer.alloc(100)]);
        break;
      case "turned":
        part = Buffer.from(part);
        part[part.length >> 1] ^= 1;
        break;
      case "stall":
        return undefined;
    }
    if (fault !== "cut") headers["content-length"] = part.length;
    this.traffic.bytes += part.length;
    this.traffic.requests += 1;
    response.writeHead(status, headers);
    if (fault !== "cut") return response.end(part);
    response.write(part.subarray(0, part.length >> 1), () => response.destroy());
    return undefined;
  }
}
