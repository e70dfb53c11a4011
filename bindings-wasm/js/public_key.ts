import type { Bytes, KeySpec, SignatureAlgorithm } from "./types.js";
export declare class PublicKey {
  static fromDer(der: Bytes): Promise<PublicKey>;
  static fromPem(pem: string): Promise<PublicKey>;
  readonly spec: KeySpec;
  readonly algorithms: readonly SignatureAlgorithm[];
  toDer(): Uint8Array<ArrayBuffer>;
  toPem(): string;
  verify(
    message: Bytes,
    signature: Bytes,
    options?: { algorithm?: SignatureAlgorithm | undefined },
  ): Promise<void>;
}
