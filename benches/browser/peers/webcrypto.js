/**
 * The bare cipher of WebCrypto in pieces of 16 KiB, into one buffer: no peer, for nothing is
 * wrapped or derived or bound, but what can be reached at most.
 */

const PIECE = 16 * 1024;
const TAG = 16;

/** With so many pieces under way at the same time. */
export function messages(inFlight) {
  return async (plain) => {
    const usages = ["encrypt", "decrypt"];
    const algorithm = { name: "AES-GCM", length: 256 };
    const key = await crypto.subtle.generateKey(algorithm, false, usages);
    const through = async (what, data, length, outLength) => {
      const count = Math.ceil(data.length / length);
      const out = new Uint8Array(data.length + count * (outLength - length));
      let next = 0;
      const one = async () => {
        while (next < count) {
          const at = next++;
          const iv = new Uint8Array(12);
          new DataView(iv.buffer).setUint32(8, at);
          const piece = data.subarray(at * length, (at + 1) * length);
          const made = await crypto.subtle[what]({ name: "AES-GCM", iv }, key, piece);
          out.set(new Uint8Array(made), at * outLength);
        }
      };
      await Promise.all(Array.from({ length: Math.min(inFlight, count) }, one));
      return out;
    };
    const encrypt = () => through("encrypt", plain, PIECE, PIECE + TAG);
    const sealed = await encrypt();
    return { encrypt, decrypt: () => through("decrypt", sealed, PIECE + TAG, PIECE) };
  };
}
