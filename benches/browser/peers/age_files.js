/** age-encryption from file to file, by its streams. */

import { createReadStream, createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import * as age from "age-encryption";

import { decrypter, encrypter } from "./age.js";

export const makeSecret = () => age.generateX25519Identity();

const read = (source) => Readable.toWeb(createReadStream(source, { highWaterMark: 1 << 20 }));

export async function encryptFile(source, target, identity) {
  const sealed = await encrypter(await age.identityToRecipient(identity)).encrypt(read(source));
  await pipeline(Readable.fromWeb(sealed), createWriteStream(target));
}

export async function decryptFile(source, target, identity) {
  const opened = await decrypter(identity).decrypt(read(source));
  await pipeline(Readable.fromWeb(opened), createWriteStream(target));
}
