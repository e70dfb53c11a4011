import { view } from "./bytes.js";
import { glue, guard, load } from "./engine.js";
import { infoOf, readHeader } from "./header.js";
import type { Bytes, EnvelopeInfo } from "./types.js";

/**
 * What an envelope, or a detached header, says of itself. Nothing of it is authenticated.
 *
 * @param size - Bytes of the whole envelope, where not all of it is given.
 */
export async function inspect(
  envelope: Bytes,
  options: { size?: number } = {},
): Promise<EnvelopeInfo> {
  await load();
  const bytes = view(envelope, "the envelope");
  const { reader, length } = readHeader(bytes);
  try {
    const total = options.size ?? (length === bytes.length ? undefined : bytes.length);
    return infoOf(reader, total);
  } finally {
    reader.free();
  }
}

/** The most bytes that an envelope of so many bytes of plaintext has. */
export async function maxEncryptedLength(plaintextLength: number): Promise<number> {
  await load();
  return guard(() => glue.maxEncryptedLength(plaintextLength)) as number;
}
