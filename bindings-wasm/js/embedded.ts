/** A KMS in this very process. */

import { throwIfAborted } from "./engine.js";
import { extra } from "./extra.js";
import { KeyfoldError } from "./errors.js";
import type { ExtraKms } from "./extra_module.js";
import { parse } from "./exchange.js";
import type { Kms, KmsRequest, KmsResponse } from "./kms.js";

/** The embedded KMS; {@link embedded} makes it. */
export class EmbeddedKms implements Kms {
  /** `"keyfold"`. */
  readonly scheme = "keyfold";
  #kms: Promise<ExtraKms> | undefined;

  /** Performs one operation. */
  async call(request: KmsRequest, signal?: AbortSignal): Promise<KmsResponse> {
    throwIfAborted(signal);
    return (await this.#made()).call(request) as KmsResponse;
  }

  /** Performs an operation of the AWS KMS or AWS Secrets Manager API by its name. */
  async operation(
    name: string,
    body: Readonly<Record<string, unknown>>,
    signal?: AbortSignal,
  ): Promise<unknown> {
    throwIfAborted(signal);
    const text = new TextEncoder().encode(JSON.stringify(body));
    return parse((await this.#made()).operation(name, text));
  }

  async #made(): Promise<ExtraKms> {
    this.#kms ??= extra().then(
      (module) => module.makeKms(),
      (error: unknown) => {
        this.#kms = undefined;
        throw new KeyfoldError("io", "the module of the embedded KMS cannot be loaded", {
          cause: error,
        });
      },
    );
    return this.#kms;
  }
}

/**
 * A KMS in memory, for tests and demonstrations: its keys end with the page, and so does whatever
 * they protect. It is loaded when it is first used.
 */
export function embedded(): EmbeddedKms {
  return new EmbeddedKms();
}
