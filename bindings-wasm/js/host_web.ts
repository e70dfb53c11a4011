/** Browsers, workers, and whatever has WebCrypto. */

import { type Segments, run } from "./aes_web.js";
import type { Host, SegmentCipher, Verification } from "./host.js";
import type { Pool } from "./pool.js";
import type { SignatureAlgorithm } from "./types.js";

/** A view whose bytes WebCrypto takes: it has no use for shared memory. */
function plain(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return data.buffer instanceof ArrayBuffer ? (data as Uint8Array<ArrayBuffer>) : data.slice();
}

class WebCipher implements SegmentCipher {
  readonly #key: CryptoKey;
  readonly #pool: Pool | undefined;

  constructor(key: CryptoKey, pool: Pool | undefined) {
    this.#key = key;
    this.#pool = pool;
  }

  seal(nonces: Uint8Array, data: Uint8Array, length: number, out: Uint8Array): Promise<void> {
    return this.#run({ what: "encrypt", nonces: plain(nonces), data: plain(data), length }, out);
  }

  open(nonces: Uint8Array, data: Uint8Array, length: number, out: Uint8Array): Promise<void> {
    return this.#run({ what: "decrypt", nonces: plain(nonces), data: plain(data), length }, out);
  }

  #run(segments: Segments, out: Uint8Array): Promise<void> {
    return this.#pool?.run(this.#key, segments, out) ?? run(this.#key, segments, out);
  }
}

const HASHES: Record<number, string> = { 32: "SHA-256", 48: "SHA-384", 64: "SHA-512" };

type Parameters = {
  import: RsaHashedImportParams | EcKeyImportParams | Algorithm;
  verify: RsaPssParams | EcdsaParams | Algorithm;
};

function parameters({ spec, algorithm }: Verification): Parameters | undefined {
  const bits = /_(256|384|512)$/.exec(algorithm)?.[1];
  const hash = `SHA-${bits}`;
  switch (spec) {
    case "ECC_NIST_P256":
    case "ECC_NIST_P384":
    case "ECC_NIST_P521":
      return {
        import: { name: "ECDSA", namedCurve: `P-${spec.slice(-3)}` },
        verify: { name: "ECDSA", hash },
      };
    case "ECC_NIST_EDWARDS25519":
      if (algorithm !== "ED25519_SHA_512") return undefined;
      return { import: { name: "Ed25519" }, verify: { name: "Ed25519" } };
    case "RSA_2048":
    case "RSA_3072":
    case "RSA_4096": {
      const name = isPss(algorithm) ? "RSA-PSS" : "RSASSA-PKCS1-v1_5";
      const verify = { name, saltLength: Number(bits) / 8 };
      return { import: { name, hash }, verify };
    }
    default:
      return undefined;
  }
}

function isPss(algorithm: SignatureAlgorithm): boolean {
  return algorithm.startsWith("RSASSA_PSS");
}

/** WebCrypto. */
export const webHost: Host = {
  aes(key, pool) {
    if (typeof crypto === "undefined" || !crypto.subtle) return undefined;
    const usages: KeyUsage[] = ["encrypt", "decrypt"];
    const imported = crypto.subtle.importKey("raw", key, "AES-GCM", false, usages);
    // The bytes were copied when they were handed over.
    key.fill(0);
    return imported.then((made) => new WebCipher(made, pool));
  },
  async digests(data, length) {
    const count = Math.ceil(data.length / length);
    const out = new Uint8Array(count * 32);
    const from = plain(data);
    const one = async (at: number): Promise<void> => {
      const piece = from.subarray(at * length, (at + 1) * length);
      out.set(new Uint8Array(await crypto.subtle.digest("SHA-256", piece)), at * 32);
    };
    await Promise.all(Array.from({ length: count }, (_, at) => one(at)));
    return out;
  },
  async digest(length, data) {
    return new Uint8Array(await crypto.subtle.digest(HASHES[length] ?? "", plain(data)));
  },
  async verify(signature) {
    const how = parameters(signature);
    if (!how || typeof crypto === "undefined" || !crypto.subtle) return undefined;
    let key: CryptoKey;
    try {
      key = await crypto.subtle.importKey("spki", signature.spki, how.import, false, ["verify"]);
    } catch {
      // A host without the curve, or a key that is none: WebAssembly tells.
      return undefined;
    }
    const { message, signature: bytes } = signature;
    return crypto.subtle.verify(how.verify, key, plain(bytes), plain(message));
  },
  small: undefined,
  insideLimit: 8 * 1024,
  pause: () =>
    new Promise((resume) => {
      // A timer would be held up for four milliseconds.
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resume();
      };
      port2.postMessage(0);
    }),
};
