/** What is loaded when it is needed; a file of its own. */

import * as glue from "#extra";
import wasm from "#extra-wasm";
import { KeyfoldError } from "./errors.js";
import { inflate } from "./inflate.js";
import { toError } from "./engine.js";
import type { KmsRequest } from "./kms.js";

let loading: Promise<void> | undefined;
let generation = 0;

/** Loads the module. */
export function load(): Promise<void> {
  loading ??= (async () => {
    glue.initSync({ module: await WebAssembly.compile(await inflate(wasm)) });
  })().catch((error: unknown) => {
    loading = undefined;
    throw new KeyfoldError("internal", "WebAssembly does not start here", { cause: error });
  });
  return loading;
}

function guard<R>(work: () => R): R {
  try {
    return work();
  } catch (error) {
    if (Array.isArray(error)) throw toError(error);
    if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) {
      generation += 1;
      glue.__wbg_reset_state();
    }
    throw new KeyfoldError("internal", "the module has failed", { cause: error });
  }
}

/** The embedded KMS. */
export class ExtraKms {
  readonly #kms = guard(() => new glue.EmbeddedKms());
  readonly #generation = generation;

  call(request: KmsRequest): unknown {
    return this.#use((kms) => kms.call(request) as unknown);
  }

  operation(name: string, body: Uint8Array): Uint8Array {
    return this.#use((kms) => kms.operation(name, body) as Uint8Array);
  }

  #use<R>(work: (kms: glue.EmbeddedKms) => R): R {
    if (this.#generation !== generation) {
      throw new KeyfoldError("internal", "the embedded KMS has failed, and its keys are gone");
    }
    return guard(() => work(this.#kms));
  }
}

export function makeKms(): ExtraKms {
  return new ExtraKms();
}

/** Whether a signature holds; it is `r || s` for ECDSA. */
export function verify(
  spki: Uint8Array,
  algorithm: string,
  message: Uint8Array,
  isDigest: boolean,
  signature: Uint8Array,
): boolean {
  return guard(() => glue.verify(spki, algorithm, message, isDigest, signature));
}
