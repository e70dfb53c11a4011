/** The AWS Encryption SDK under a raw AES key in the page: no request is made. */

import "./buffer.js";

import {
  AlgorithmSuiteIdentifier,
  CommitmentPolicy,
  RawAesKeyringWebCrypto,
  RawAesWrappingSuiteIdentifier,
  WebCryptoCachingMaterialsManager,
  buildClient,
  getLocalCryptographicMaterialsCache,
  synchronousRandomValues,
} from "@aws-crypto/client-browser";

const { encrypt, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);

export async function messages(plain) {
  const wrappingSuite = RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING;
  const masterKey = await RawAesKeyringWebCrypto.importCryptoKey(
    synchronousRandomValues(32),
    wrappingSuite,
  );
  const backingMaterials = new RawAesKeyringWebCrypto({
    keyName: "key",
    keyNamespace: "bench",
    masterKey,
    wrappingSuite,
  });
  const manager = new WebCryptoCachingMaterialsManager({
    backingMaterials,
    cache: getLocalCryptographicMaterialsCache(100),
    maxAge: 3_600_000,
    maxMessagesEncrypted: 2 ** 32,
  });
  const options = {
    // Without a signature, as keyfold's unsigned envelopes.
    suiteId: AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY,
    encryptionContext: { tenant: "acme" },
    // The cache is asked only where the length is told.
    plaintextLength: plain.length,
    // keyfold's pieces; its own default of 4 KiB is slower.
    frameLength: 16 * 1024,
  };
  const seal = async () => (await encrypt(manager, plain, options)).result;
  const sealed = await seal();
  return {
    encrypt: seal,
    decrypt: async () => (await decrypt(manager, sealed)).plaintext,
  };
}
