/** The AWS Encryption SDK under a raw AES key in the process: no request is made. */

import { randomBytes } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";

import {
  AlgorithmSuiteIdentifier,
  CommitmentPolicy,
  NodeCachingMaterialsManager,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
  buildClient,
  getLocalCryptographicMaterialsCache,
} from "@aws-crypto/client-node";

const { encrypt, decrypt, encryptStream, decryptStream } = buildClient(
  CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
);

function keyring(unencryptedMasterKey) {
  return new RawAesKeyringNode({
    keyName: "key",
    keyNamespace: "bench",
    unencryptedMasterKey,
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  });
}

const OPTIONS = {
  // Without a signature, as keyfold's unsigned envelopes.
  suiteId: AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY,
  encryptionContext: { tenant: "acme" },
  // keyfold's pieces; its own default of 4 KiB is slower.
  frameLength: 16 * 1024,
};

export async function messages(plain, frameLength = OPTIONS.frameLength) {
  const manager = new NodeCachingMaterialsManager({
    backingMaterials: keyring(randomBytes(32)),
    cache: getLocalCryptographicMaterialsCache(100),
    maxAge: 3_600_000,
    maxMessagesEncrypted: 2 ** 32,
  });
  // The cache is asked only where the length is told.
  const options = { ...OPTIONS, plaintextLength: plain.length, frameLength };
  const seal = async () => (await encrypt(manager, plain, options)).result;
  const sealed = await seal();
  return {
    encrypt: seal,
    decrypt: async () => (await decrypt(manager, sealed)).plaintext,
  };
}

export function makeSecret() {
  return randomBytes(32).toString("hex");
}

/** In memory of its own: the SDK takes no part of Node's pool. */
function fromHex(secret) {
  return Buffer.alloc(32, secret, "hex");
}

export async function encryptFile(source, target, secret) {
  await pipeline(
    createReadStream(source, { highWaterMark: 1 << 20 }),
    encryptStream(keyring(fromHex(secret)), OPTIONS),
    createWriteStream(target),
  );
}

export async function decryptFile(source, target, secret) {
  await pipeline(
    createReadStream(source, { highWaterMark: 1 << 20 }),
    decryptStream(keyring(fromHex(secret))),
    createWriteStream(target),
  );
}
