/** age-encryption: a key of each message's own, agreed on with an X25519 recipient. */

import * as age from "age-encryption";

async function pair() {
  const identity = await age.generateX25519Identity();
  return { identity, recipient: await age.identityToRecipient(identity) };
}

function encrypter(recipient) {
  const made = new age.Encrypter();
  made.addRecipient(recipient);
  return made;
}

function decrypter(identity) {
  const made = new age.Decrypter();
  made.addIdentity(identity);
  return made;
}

export async function messages(plain) {
  const { identity, recipient } = await pair();
  const encrypt = () => encrypter(recipient).encrypt(plain);
  const sealed = await encrypt();
  return { encrypt, decrypt: () => decrypter(identity).decrypt(sealed) };
}

export { pair, encrypter, decrypter };
