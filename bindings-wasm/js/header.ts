/** The header of an envelope. */

import { Handle, glue, guard } from "./engine.js";
import { KeyfoldError } from "./errors.js";
import type { EnvelopeInfo, KeySpec, SignatureAlgorithm, Suite } from "./types.js";

type Parts = [
  version: number,
  suite: number,
  cipher: Suite,
  context: Record<string, string>,
  recipients: [string, number, ...string[]][],
  signature: [SignatureAlgorithm, KeySpec, number, Uint8Array<ArrayBuffer> | string] | undefined,
  headerLength: number,
  stableLength: number,
  bodyLength: number | undefined,
  plaintextLength: number | undefined,
];

/** What a reader that has its header says of it. */
export function infoOf(reader: Handle<glue.HeaderReader>, total: number | undefined): EnvelopeInfo {
  const parts = reader.use((reader) => reader.info(total)) as Parts;
  const [version, suite, cipher, context, recipients, signature] = parts;
  const [headerLength, stableLength, bodyLength, plaintextLength] = parts.slice(6) as [
    number,
    number,
    number | undefined,
    number | undefined,
  ];
  return {
    version,
    suite,
    cipher,
    context,
    recipients: recipients.map(([key, wrappedKeyLength, ...parameters]) => ({
      key,
      wrappedKeyLength,
      parameters,
    })),
    signature: signature && {
      algorithm: signature[0],
      keySpec: signature[1],
      length: signature[2],
      signer: signature[3],
    },
    headerLength,
    stableLength,
    bodyLength,
    plaintextLength,
    segments: plaintextLength === undefined ? undefined : Math.floor(plaintextLength / 16_384) + 1,
  };
}

/** A reader that has its header, whose length is `length`. */
export interface HeaderRead {
  readonly reader: Handle<glue.HeaderReader>;
  readonly length: number;
}

/** Reads the header at the start of bytes. */
export function readHeader(bytes: Uint8Array): HeaderRead {
  const read = tryHeader(bytes);
  if (!read) throw new KeyfoldError("truncated", "the input ends inside the header");
  return read;
}

/** Reads the header at the start of bytes; nothing where they end before it does. */
export function tryHeader(bytes: Uint8Array): HeaderRead | undefined {
  const reader = new Handle(guard(() => new glue.HeaderReader()));
  let at = 0;
  // A header is seldom long: copying little first.
  let next = Math.min(bytes.length, 1024);
  for (;;) {
    const from = at;
    const used = reader.use((reader) => reader.push(bytes.subarray(from, next)));
    if (used >= 0) return { reader, length: from + used };
    if (next === bytes.length) {
      reader.free();
      return undefined;
    }
    at = next;
    next = Math.min(
      bytes.length,
      Math.max(next * 4, at + reader.use((reader) => reader.missing())),
    );
  }
}
