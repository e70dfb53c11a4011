/** A KMS at the other end of a network: keyfold's own server, or AWS. */

import {
  type Begun,
  Handle,
  glue,
  guard,
  load,
  running,
  settle,
  throwIfAborted,
} from "./engine.js";
import { KeyfoldError } from "./errors.js";
import { type Parts, type Sent, exchange, keyParts, parse, tokenParts } from "./exchange.js";
import type { Kms, KmsRequest, KmsResponse } from "./kms.js";

/** An access key that signs requests. */
export interface AccessKey {
  readonly id: string;
  readonly secret: string;
  readonly sessionToken?: string | undefined;
  /** When it ends; another is asked for in time. */
  readonly expires?: Date | undefined;
}

/** A bearer token that ends. */
export interface Token {
  readonly token: string;
  /** When it ends; another is asked for in time. */
  readonly expires?: Date | undefined;
}

/** What {@link remote} takes. */
export interface RemoteOptions {
  /**
   * keyfold's own server as `https://HOST[:PORT]` (`http://` on this machine only) or
   * `keyfold://HOST[:PORT]`; AWS as `aws://REGION`.
   */
  url: string | URL;
  /** A bearer token, or a function that gets one: asked again when it ends or is refused. */
  token?: string | ((signal: AbortSignal) => Promise<string | Token> | string | Token) | undefined;
  /** An access key, or a function that gets one: asked again when it ends or is refused. */
  credentials?: AccessKey | ((signal: AbortSignal) => Promise<AccessKey> | AccessKey) | undefined;
  /** The region that requests are signed for, where it is not that of the URL. */
  region?: string | undefined;
  /** For one call with all its repetitions, in milliseconds; 60000 where absent. */
  timeout?: number | undefined;
  /** How often a call that failed for a while is repeated; 3 where absent. */
  retries?: number | undefined;
  /** How requests are sent; the host's `fetch` where absent. It gets secrets: log nothing. */
  fetch?: typeof fetch | undefined;
}

/** A remote KMS; {@link remote} makes it. */
export class RemoteKms implements Kms {
  /** `"keyfold"` or `"aws"`. */
  readonly scheme: string;
  /** Where it is. */
  readonly url: string;
  readonly #options: RemoteOptions;
  #handle: Handle<glue.RemoteKms> | undefined;

  constructor(options: RemoteOptions) {
    this.#options = { ...options };
    this.url = address(String(options.url));
    this.scheme = this.url.startsWith("aws:") ? "aws" : "keyfold";
    if ((options.token === undefined) === (options.credentials === undefined)) {
      throw new KeyfoldError("invalid_argument", "a remote KMS takes a token or credentials");
    }
  }

  /** Performs one operation. */
  async call(request: KmsRequest, signal?: AbortSignal): Promise<KmsResponse> {
    throwIfAborted(signal);
    const kms = await this.#kms();
    return settle(
      kms.use((kms) => kms.call(request)),
      signal,
    );
  }

  /** Performs an operation of the AWS KMS or AWS Secrets Manager API by its name. */
  async operation(
    name: string,
    body: Readonly<Record<string, unknown>>,
    signal?: AbortSignal,
  ): Promise<unknown> {
    throwIfAborted(signal);
    const kms = await this.#kms();
    const text = new TextEncoder().encode(JSON.stringify(body));
    return parse(
      await settle(
        kms.use((kms) => kms.operation(name, text)),
        signal,
      ),
    );
  }

  async #kms(): Promise<Handle<glue.RemoteKms>> {
    await load();
    if (!this.#handle || this.#handle.isStale) {
      const { region, timeout = 60_000, retries = 3 } = this.#options;
      const make = () =>
        new glue.RemoteKms(
          this.url,
          region,
          timeout,
          retries,
          () => this.#credentials(),
          this.#fixed(),
          (request: Sent) => this.#send(request),
        );
      this.#handle = new Handle(guard(make));
    }
    return this.#handle;
  }

  #fixed(): Parts | undefined {
    const { token, credentials } = this.#options;
    if (typeof token === "string") return tokenParts(token);
    return typeof credentials === "object" ? keyParts(credentials) : undefined;
  }

  #credentials(): Begun {
    const { token, credentials } = this.#options;
    return running(async (signal) => {
      if (typeof token === "function") return tokenParts(await token(signal));
      if (typeof credentials === "function") return keyParts(await credentials(signal));
      return this.#fixed();
    });
  }

  #send(request: Sent): Begun {
    return running((signal) => exchange(this.#options.fetch ?? fetch, request, signal));
  }
}

function address(url: string): string {
  const [scheme, rest = ""] = url.split("://", 2);
  if (scheme === "https") return `keyfold://${rest}`;
  return scheme === "http" ? `keyfold+http://${rest}` : url;
}

/**
 * Reaches keyfold's own server, or AWS. Nothing is sent until it is used; calls that failed for a
 * while are repeated, and a service that does not answer is left alone for a while.
 *
 * ```ts
 * const kf = await Keyfold.create({
 *   kms: remote({ url: "https://kms.example.com", token: () => session.token() }),
 *   keys: "keyfold:alias/docs",
 * });
 * ```
 */
export function remote(options: RemoteOptions): RemoteKms {
  return new RemoteKms(options);
}
