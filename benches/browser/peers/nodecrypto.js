/**
 * The bare cipher of node:crypto: no peer, for nothing is wrapped or derived or bound, but what can
 * be reached at most. Messages go through it in pieces of 16 KiB, files in one of 1 MiB each.
 */

import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { open } from "node:fs/promises";

const TAG = 16;

function nonce(at) {
  const iv = Buffer.alloc(12);
  iv.writeUInt32BE(at, 8);
  return iv;
}

function seal(key, at, piece) {
  const cipher = createCipheriv("aes-256-gcm", key, nonce(at));
  const made = cipher.update(piece);
  cipher.final();
  return [made, cipher.getAuthTag()];
}

function unseal(key, at, piece) {
  const decipher = createDecipheriv("aes-256-gcm", key, nonce(at));
  decipher.setAuthTag(piece.subarray(piece.length - TAG));
  const made = decipher.update(piece.subarray(0, piece.length - TAG));
  decipher.final();
  return [made];
}

function through(work, key, data, length, outLength) {
  const count = Math.ceil(data.length / length);
  const out = new Uint8Array(data.length + count * (outLength - length));
  for (let at = 0; at < count; at += 1) {
    let to = at * outLength;
    for (const part of work(key, at, data.subarray(at * length, (at + 1) * length))) {
      out.set(part, to);
      to += part.length;
    }
  }
  return out;
}

const PIECE = 16 << 10;

export async function messages(plain) {
  const key = randomBytes(32);
  const encrypt = async () => through(seal, key, plain, PIECE, PIECE + TAG);
  const sealed = await encrypt();
  return { encrypt, decrypt: async () => through(unseal, key, sealed, PIECE + TAG, PIECE) };
}

const BLOCK = 1 << 20;

async function file(work, source, target, secret, length) {
  const key = Buffer.from(secret, "hex");
  const from = await open(source);
  const to = await open(target, "w");
  const buffer = Buffer.alloc(length);
  for (let at = 0; ; at += 1) {
    const { bytesRead } = await from.read(buffer, 0, length);
    if (bytesRead === 0) break;
    await to.writev(work(key, at, buffer.subarray(0, bytesRead)));
  }
  await from.close();
  await to.close();
}

export const makeSecret = () => randomBytes(32).toString("hex");
export const encryptFile = (source, target, secret) => file(seal, source, target, secret, BLOCK);
export const decryptFile = (source, target, secret) =>
  file(unseal, source, target, secret, BLOCK + TAG);
