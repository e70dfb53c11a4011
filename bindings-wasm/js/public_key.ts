import { view } from "./bytes.js";
import { glue, guard, load, toError } from "./engine.js";
import { KeyfoldError } from "./errors.js";
import { verifies } from "./message.js";
import type { Bytes, KeySpec, SignatureAlgorithm } from "./types.js";

const PEM = /^\s*-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*$/;

/** The public half of a key pair: what verifies signatures, without any KMS. */
export class PublicKey {
  readonly #der: Uint8Array<ArrayBuffer>;
  /** What kind of key it is. */
  readonly spec: KeySpec;
  /** What it signs with, the usual algorithm first. */
  readonly algorithms: readonly [SignatureAlgorithm, ...SignatureAlgorithm[]];

  private constructor(der: Uint8Array<ArrayBuffer>) {
    const info = guard(() => glue.keyInfo(der)) as [
      KeySpec,
      SignatureAlgorithm,
      ...SignatureAlgorithm[],
    ];
    const [spec, ...algorithms] = info;
    this.#der = der;
    this.spec = spec;
    this.algorithms = algorithms;
  }

  /** Takes a key from DER SubjectPublicKeyInfo. */
  static async fromDer(der: Bytes): Promise<PublicKey> {
    await load();
    return new PublicKey(view(der, "the key").slice());
  }

  /** Takes a key from PEM (`-----BEGIN PUBLIC KEY-----`). */
  static async fromPem(pem: string): Promise<PublicKey> {
    const base64 = PEM.exec(pem)?.[1]?.replace(/\s+/g, "");
    let bytes: string;
    try {
      bytes = atob(base64 ?? "");
    } catch {
      bytes = "";
    }
    if (!bytes) throw new KeyfoldError("invalid_argument", "the key is no PEM of a public key");
    return PublicKey.fromDer(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
  }

  /** The key as DER SubjectPublicKeyInfo. */
  toDer(): Uint8Array<ArrayBuffer> {
    return this.#der.slice();
  }

  /** The key as PEM. */
  toPem(): string {
    const base64 = btoa(String.fromCharCode(...this.#der));
    const lines = base64.match(/.{1,64}/g) ?? [];
    return `-----BEGIN PUBLIC KEY-----\n${lines.join("\n")}\n-----END PUBLIC KEY-----\n`;
  }

  /**
   * Verifies a signature; one that does not hold rejects with `signature_invalid`.
   *
   * @param signature - In ASN.1 DER for ECDSA.
   */
  async verify(
    message: Bytes,
    signature: Bytes,
    options: { algorithm?: SignatureAlgorithm | undefined } = {},
  ): Promise<void> {
    const { spec } = this;
    const algorithm = options.algorithm ?? this.algorithms[0];
    const signed = view(signature, "the signature");
    const raw = guard(() => glue.rawSignature(this.#der, algorithm, signed)) as Uint8Array;
    const what = { spki: this.#der, spec, algorithm, message: view(message), signature: raw };
    if (await verifies(what, false)) return;
    throw toError(guard(() => glue.signatureInvalid()));
  }
}
