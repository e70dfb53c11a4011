/** Node.js, and whatever has `node:crypto`: there synchronous ciphers are faster than WebCrypto. */

import {
  type KeyObject,
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createPublicKey,
  createSecretKey,
  verify,
} from "node:crypto";
import type { Host, SegmentCipher, Verification } from "./host.js";

const TAG = 16;
const AES = "aes-256-gcm";
const TAGGED = { authTagLength: TAG };

class NodeCipher implements SegmentCipher {
  readonly #key: KeyObject;

  constructor(key: KeyObject) {
    this.#key = key;
  }

  seal(nonces: Uint8Array, data: Uint8Array, length: number, out: Uint8Array): void {
    for (let at = 0, to = 0, from = 0; at < nonces.length; at += 12) {
      const cipher = createCipheriv(AES, this.#key, nonces.subarray(at, at + 12), TAGGED);
      const made = cipher.update(data.subarray(from, from + length));
      cipher.final();
      out.set(made, to);
      out.set(cipher.getAuthTag(), to + made.length);
      to += made.length + TAG;
      from += length;
    }
  }

  open(nonces: Uint8Array, data: Uint8Array, length: number, out: Uint8Array): void {
    for (let at = 0, to = 0, from = 0; at < nonces.length; at += 12) {
      const end = Math.min(from + length, data.length) - TAG;
      const cipher = createDecipheriv(AES, this.#key, nonces.subarray(at, at + 12), TAGGED);
      cipher.setAuthTag(data.subarray(end, end + TAG));
      const made = cipher.update(data.subarray(from, end));
      // Throws where the tag is wrong: nothing was given out before.
      cipher.final();
      out.set(made, to);
      to += made.length;
      from += length;
    }
  }
}

const HASHES: Record<number, string> = { 32: "sha256", 48: "sha384", 64: "sha512" };

function check({ spki, spec, algorithm, message, signature }: Verification): boolean | undefined {
  // What OpenSSL makes of these differs from what the core does.
  if (spec === "ECC_SECG_P256K1" || algorithm === "ED25519_PH_SHA_512") return undefined;
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  } catch {
    return undefined;
  }
  const bits = /_(256|384|512)$/.exec(algorithm)?.[1];
  const hash = spec === "ECC_NIST_EDWARDS25519" ? null : `sha${bits}`;
  if (algorithm.startsWith("RSASSA_PSS")) {
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    return verify(hash, message, { key, padding, saltLength: Number(bits) / 8 }, signature);
  }
  return verify(hash, message, { key, dsaEncoding: "ieee-p1363" }, signature);
}

/** `node:crypto`. */
export const nodeHost: Host = {
  aes(key) {
    const secret = createSecretKey(key);
    key.fill(0);
    return new NodeCipher(secret);
  },
  digests(data, length) {
    const out = new Uint8Array(Math.ceil(data.length / length) * 32);
    for (let at = 0; at * length < data.length; at += 1) {
      const piece = data.subarray(at * length, (at + 1) * length);
      out.set(createHash("sha256").update(piece).digest(), at * 32);
    }
    return out;
  },
  digest: (length, data) =>
    createHash(HASHES[length] ?? "")
      .update(data)
      .digest(),
  verify: check,
  small: {
    seal(key, data, out) {
      const cipher = createCipheriv(AES, key.subarray(0, 32), key.subarray(32, 44), TAGGED);
      out.set(cipher.update(data), 0);
      cipher.final();
      out.set(cipher.getAuthTag(), data.length);
    },
    open(key, data) {
      const cipher = createDecipheriv(AES, key.subarray(0, 32), key.subarray(32, 44), TAGGED);
      const end = data.length - TAG;
      cipher.setAuthTag(data.subarray(end));
      const made = cipher.update(data.subarray(0, end));
      cipher.final();
      return new Uint8Array(made.buffer as ArrayBuffer, made.byteOffset, made.length);
    },
  },
  insideLimit: 0,
  pause: () => new Promise((resume) => setImmediate(resume)),
};
