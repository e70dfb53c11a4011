/** AES-256-GCM of segments by WebCrypto: what a page does, and what its workers do. */

export const TAG = 16;
/** Pieces under way at the same time: one after another leaves the host waiting. */
const IN_FLIGHT = 16;

/** Pieces of `length` bytes, the last possibly shorter, each under its nonce of 12 bytes. */
export interface Segments {
  readonly what: "encrypt" | "decrypt";
  readonly nonces: Uint8Array<ArrayBuffer>;
  readonly data: Uint8Array<ArrayBuffer>;
  readonly length: number;
}

/** Bytes of a full piece of what comes out. */
export function outLength({ what, length }: Segments): number {
  return what === "encrypt" ? length + TAG : length - TAG;
}

/** Seals or opens them, one after another to `out`. Throws where a tag is wrong. */
export async function run(key: CryptoKey, segments: Segments, out: Uint8Array): Promise<void> {
  const { what, nonces, data, length } = segments;
  const count = nonces.length / 12;
  const step = outLength(segments);
  let next = 0;
  const some = async (): Promise<void> => {
    while (next < count) {
      const at = next;
      next += 1;
      const iv = nonces.subarray(at * 12, at * 12 + 12);
      const piece = data.subarray(at * length, (at + 1) * length);
      try {
        const made = await crypto.subtle[what]({ name: "AES-GCM", iv }, key, piece);
        out.set(new Uint8Array(made), at * step);
      } catch (error) {
        // The others stop too.
        next = count;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, count) }, some));
}
