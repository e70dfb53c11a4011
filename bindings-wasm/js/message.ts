/** Messages whose segments the host seals and opens: whole values, and the parts that streams share. */

import { concat } from "./bytes.js";
import { Handle, glue, guard, settle, throwIfAborted, toError } from "./engine.js";
import { KeyfoldError, isKeyfoldError } from "./errors.js";
import { extra } from "./extra.js";
import { type SegmentCipher, type Verification, host } from "./host.js";
import type { Pool } from "./pool.js";
import type { LongOptions } from "./types.js";

/** Bytes of a full segment of plaintext, and of a sealed one (docs/spec/envelope.md, clause 6.1). */
export const SEGMENT = 16_384;
export const SEALED = SEGMENT + 16;
/** Salt and commitment before the first segment. */
export const PREFIX = 56;
/** The longest signature after the last segment (clause 7.1). */
export const MAX_TRAILER = 512;
/** Segments that are handed out at once: 8 MiB, so that the host seldom waits for the next ones. */
export const BATCH = 512;

/** Within WebAssembly, for the suites and hosts that have nothing else. */
class InsideCipher implements SegmentCipher {
  readonly #cipher: Handle<glue.Cipher>;

  constructor(cipher: Handle<glue.Cipher>) {
    this.#cipher = cipher;
  }

  seal(nonces: Uint8Array, data: Uint8Array, length: number, out: Uint8Array): void {
    out.set(this.#cipher.use((cipher) => cipher.seal(nonces, data, length)));
  }

  open(nonces: Uint8Array, data: Uint8Array, length: number, out: Uint8Array): void {
    out.set(this.#cipher.use((cipher) => cipher.open(nonces, data, length)));
  }
}

/** The AEAD of a message; its key leaves WebAssembly for good where the host has the AEAD. */
export async function cipherOf(
  key: Handle<glue.Key>,
  pool: Pool | undefined,
): Promise<SegmentCipher> {
  try {
    const aes = key.use((key) => key.suite()) === 1;
    if (aes && (await hostHasAes())) {
      const bytes = key.use((key) => key.take()) as Uint8Array<ArrayBuffer>;
      const made = host().aes(bytes, pool);
      if (made) return await made;
    }
    return new InsideCipher(new Handle(key.use((key) => key.cipher())));
  } finally {
    key.free();
  }
}

function hostHasAes(): boolean {
  return host().small !== undefined || globalThis.crypto?.subtle !== undefined;
}

/** What was decided with a key has one error. */
export function authenticationFailed(error: unknown): KeyfoldError {
  return isKeyfoldError(error) ? error : toError(guard(() => glue.authenticationFailed()));
}

/** Tells how far something is, and lets others do their work, now and then. */
export class Pace {
  readonly #options: LongOptions;
  readonly #total: number | undefined;
  #done = 0;
  #since = 0;

  constructor(options: LongOptions, total: number | undefined) {
    this.#options = options;
    this.#total = total;
  }

  get done(): number {
    return this.#done;
  }

  /** So many more bytes are done. */
  async advance(bytes: number): Promise<void> {
    this.#done += bytes;
    this.#since += bytes;
    // 4 MiB: two milliseconds or more.
    if (this.#since < 4 << 20) return;
    this.tell();
    await host().pause();
    throwIfAborted(this.#options.signal);
  }

  /** Tells how far it is. */
  tell(): void {
    this.#since = 0;
    this.#options.onProgress?.({ done: this.#done, total: this.#total });
  }
}

/** What a signed message wants of its segments. */
export async function digestsOf(sealed: Uint8Array, length = SEALED): Promise<Uint8Array> {
  return host().digests(sealed, length);
}

/** Seals a whole value; with `detached`, header and body apart. */
export async function sealWhole(
  sealing: Handle<glue.Sealing>,
  data: Uint8Array,
  options: LongOptions,
  pool: Pool | undefined,
): Promise<{ header: Uint8Array<ArrayBuffer>; whole: Uint8Array<ArrayBuffer> }> {
  try {
    const header = sealing.use((sealing) => sealing.header()) as Uint8Array<ArrayBuffer>;
    const bodyLength = guard(() => glue.bodyLength(data.length)) as number;
    const cipher = await cipherOf(new Handle(sealing.use((sealing) => sealing.key())), pool);
    const signed = sealing.use((sealing) => sealing.isSigned());
    const whole = new Uint8Array(header.length + bodyLength);
    whole.set(header);
    whole.set(
      sealing.use((sealing) => sealing.prefix()),
      header.length,
    );
    const pace = new Pace(options, data.length);
    let at = 0;
    let to = header.length + PREFIX;
    while (data.length - at >= SEGMENT) {
      const available = Math.min(BATCH * SEGMENT, data.length - at);
      const nonces = sealing.use((sealing) => sealing.handOut(available));
      const count = nonces.length / 12;
      const out = whole.subarray(to, to + count * SEALED);
      await cipher.seal(nonces, data.subarray(at, at + count * SEGMENT), SEGMENT, out);
      if (signed) {
        const digests = await digestsOf(out);
        sealing.use((sealing) => sealing.takeBack(digests));
      }
      at += count * SEGMENT;
      to += count * SEALED;
      await pace.advance(count * SEGMENT);
    }
    const last = data.subarray(at);
    const nonce = sealing.use((sealing) => sealing.handOutLast(last.length));
    const out = whole.subarray(to);
    await cipher.seal(nonce, last, SEGMENT, out);
    const digest = signed ? await digestsOf(out) : undefined;
    throwIfAborted(options.signal);
    const trailer = await settle<Uint8Array | undefined>(
      sealing.use((sealing) => sealing.finish(digest) as unknown),
      options.signal,
    );
    await pace.advance(last.length);
    pace.tell();
    return { header, whole: trailer ? concat([whole, trailer]) : whole };
  } finally {
    sealing.free();
  }
}

/** Opens a whole body; nothing of it is given out before all of it is proven. */
export async function openWhole(
  unlocked: Handle<glue.Unlocked>,
  body: Uint8Array,
  plaintextLength: number,
  options: LongOptions,
  pool: Pool | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  let opening: Handle<glue.Opening> | undefined;
  const plaintext = new Uint8Array(plaintextLength);
  try {
    opening = new Handle(unlocked.use((unlocked) => unlocked.opening(body.subarray(0, PREFIX))));
    const machine = opening;
    const cipher = await cipherOf(new Handle(machine.use((opening) => opening.key())), pool);
    const signed = machine.use((opening) => opening.isSigned());
    const pace = new Pace(options, plaintextLength);
    let rest = body.subarray(PREFIX);
    let to = 0;
    for (;;) {
      const available = Math.min(rest.length, BATCH * SEALED + MAX_TRAILER);
      const nonces = machine.use((opening) => opening.handOut(available));
      const count = nonces.length / 12;
      if (count === 0) break;
      const sealed = rest.subarray(0, count * SEALED);
      const out = plaintext.subarray(to, to + count * SEGMENT);
      await cipher.open(nonces, sealed, SEALED, out);
      if (signed) {
        const digests = await digestsOf(sealed);
        machine.use((opening) => opening.takeBack(digests));
      }
      rest = rest.subarray(count * SEALED);
      to += count * SEGMENT;
      await pace.advance(count * SEGMENT);
    }
    const nonce = machine.use((opening) => opening.handOutLast(rest.length));
    const last = plaintext.subarray(to);
    await openLast(machine, cipher, nonce, rest, last, signed);
    await pace.advance(last.length);
    pace.tell();
    return plaintext;
  } catch (error) {
    plaintext.fill(0);
    throw authenticationFailed(error);
  } finally {
    opening?.free();
    unlocked.free();
  }
}

/** Opens the last segment, and verifies the signature where one is demanded. */
export async function openLast(
  opening: Handle<glue.Opening>,
  cipher: SegmentCipher,
  nonce: Uint8Array,
  rest: Uint8Array,
  out: Uint8Array,
  signed: boolean,
): Promise<void> {
  const sealed = rest.subarray(0, out.length + 16);
  await cipher.open(nonce, sealed, SEALED, out);
  const digest = signed ? await digestsOf(sealed) : undefined;
  const trailer = rest.subarray(sealed.length);
  const check = opening.use((opening) => opening.finish(digest, trailer) as Check | undefined);
  if (check) await verifyEnvelope(check);
}

type Check = [
  keys: Uint8Array<ArrayBuffer>[],
  spec: Verification["spec"],
  algorithm: Verification["algorithm"],
  message: Uint8Array,
  isDigest: boolean,
  signature: Uint8Array,
  refused: unknown,
];

async function verifyEnvelope(check: Check): Promise<void> {
  const [keys, spec, algorithm, message, isDigest, signature, refused] = check;
  for (const spki of keys) {
    if (await verifies({ spki, spec, algorithm, message, signature }, isDigest)) return;
  }
  throw toError(refused);
}

/** Whether a signature holds: the host tells where it can, else WebAssembly does. */
export async function verifies(signature: Verification, isDigest: boolean): Promise<boolean> {
  const told = isDigest ? undefined : await host().verify(signature);
  if (told !== undefined) return told;
  const { spki, algorithm, message, signature: bytes } = signature;
  try {
    return (await extra()).verify(spki, algorithm, message, isDigest, bytes);
  } catch (error) {
    // A key whose numbers are none: no signature is by it.
    if (isKeyfoldError(error) && error.code === "invalid_argument") return false;
    throw error;
  }
}
