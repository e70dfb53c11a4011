/** keyfold from file to file, under a KMS in the process: no request is made. */

import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

import { Keyfold, KeyfoldError } from "keyfold";
import * as files from "keyfold/files";

export const makeSecret = () => randomBytes(32).toString("hex");

/** Wraps under one AES key, as the peers do: the embedded KMS forgets its keys with the process. */
function kms(secret) {
  const key = Buffer.from(secret, "hex");
  const uri = "bench:key";
  return {
    scheme: "bench",
    call(request) {
      switch (request.type) {
        case "resolveKey":
          return { key: uri };
        case "generateDataKey": {
          const dataKey = randomBytes(32);
          const iv = randomBytes(12);
          const cipher = createCipheriv("aes-256-gcm", key, iv);
          const sealed = [iv, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()];
          const wrapped = { key: uri, ciphertext: Buffer.concat(sealed), parameters: {} };
          return { dataKey, wrapped };
        }
        case "unwrap": {
          const sealed = request.wrapped.ciphertext;
          const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, 12));
          decipher.setAuthTag(sealed.subarray(44));
          return {
            dataKey: Buffer.concat([decipher.update(sealed.subarray(12, 44)), decipher.final()]),
          };
        }
        default:
          throw new KeyfoldError("invalid_argument");
      }
    },
  };
}

const client = (secret) =>
  Keyfold.create({ kms: kms(secret), keys: "bench:key", context: { tenant: "acme" } });

export async function encryptFile(source, target, secret) {
  await files.encryptFile(await client(secret), source, target);
}

export async function decryptFile(source, target, secret) {
  await files.decryptFile(await client(secret), source, target);
}
