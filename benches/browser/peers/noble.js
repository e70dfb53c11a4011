/** @noble/ciphers: AES-256-GCM in JavaScript, with a nonce of each message's own. */

import { gcm } from "@noble/ciphers/aes.js";
import { managedNonce } from "@noble/ciphers/utils.js";

import { random } from "../harness.js";

export async function messages(plain) {
  const cipher = managedNonce(gcm)(random(32));
  const sealed = cipher.encrypt(plain);
  return {
    encrypt: async () => cipher.encrypt(plain),
    decrypt: async () => cipher.decrypt(sealed),
  };
}
