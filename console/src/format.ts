/** Numbers, times and bytes as people and forms have them. */

const whole = new Intl.NumberFormat("en");
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });

/** A count, such as `16,384`. */
export function count(value: number): string {
  return whole.format(value);
}

/** A size, such as `1.5 MiB`. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** A moment in the time of whoever looks, from milliseconds since 1970. */
export function time(millis: number): string {
  return moment.format(millis);
}

/** A day, from seconds since 1970. */
export function date(seconds: number): string {
  return day.format(seconds * 1000);
}

/** Bytes in base64. */
export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let from = 0; from < bytes.length; from += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(from, from + 0x8000));
  }
  return btoa(binary);
}

/** Base64, with white space wherever it is, to bytes; `undefined` where it is none. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text.replaceAll(/\s+/g, "")), (c) => c.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/** Text in UTF-8; `undefined` where the bytes are none. */
export function toText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Lines of offset, hexadecimal bytes and characters. */
export function hexDump(bytes: Uint8Array, from: number): string {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "."));
    const offset = (from + at).toString(16).padStart(8, "0");
    lines.push(`${offset}  ${hex.padEnd(47)}  ${text.join("")}`);
  }
  return lines.join("\n");
}

/** What comes after the last `/` or `:` of an ARN. */
export function tail(arn: string): string {
  return arn.split("/").at(-1) ?? arn;
}
