/** The entry `keyfold/cloud`: the KMS of any cloud, and several KMSs behind one. */

import * as glue from "#cloud";
import { type Begun, Handle, guard, load, running, settle, throwIfAborted } from "#cloud-engine";
import { type Parts, type Sent, exchange, keyParts, parse, tokenParts } from "#cloud-exchange";
import { KeyfoldError } from "./errors.js";
import type { Kms, KmsRequest, KmsResponse } from "./kms.js";
import type { AccessKey, Token } from "./remote.js";

/** An access key; Ping An's password safe wants the credential of an application beside it. */
export interface CloudAccessKey extends AccessKey {
  readonly app?: { readonly id: string; readonly key: string } | undefined;
}

/** The key of a Google service account: the text of its JSON file. */
export interface ServiceAccount {
  readonly serviceAccount: string;
}

/** An application at Azure, by its secret. */
export interface ClientSecret {
  readonly tenant: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Who gives the tokens, `https://HOST`; Azure's own where absent. */
  readonly authority?: string | undefined;
}

/** Where a place is that is no region of the vendor's own: addresses, a region, and settings. */
export type CloudPlace = Readonly<Record<string, string>>;

/** What {@link cloud} takes. */
export interface CloudOptions {
  /** `SCHEME://PLACE`, such as `tencent://ap-guangzhou`, or the URI of a key there. */
  uri: string;
  /**
   * Who calls: an access key, a bearer token, a Google service account, an application at Azure; or
   * a function that gets one of the first two, asked again when it ends or is refused.
   */
  credentials:
    | CloudAccessKey
    | string
    | Token
    | ServiceAccount
    | ClientSecret
    | ((
        signal: AbortSignal,
      ) => Promise<CloudAccessKey | string | Token> | CloudAccessKey | string | Token);
  /**
   * Places by `SCHEME://PLACE`, each with `region`, `keys` (the address of the KMS), `secrets` (of
   * the password safe) and the settings of docs/providers.md. Only this says where requests go,
   * never an envelope.
   */
  places?: Readonly<Record<string, CloudPlace>> | undefined;
  /** For one call with all its repetitions, in milliseconds; 60000 where absent. */
  timeout?: number | undefined;
  /** How often a call that failed for a while is repeated; 3 where absent. */
  retries?: number | undefined;
  /** How requests are sent; the host's `fetch` where absent. It gets secrets: log nothing. */
  fetch?: typeof fetch | undefined;
}

/** What a cloud can, and within which limits. */
export interface CloudCapabilities {
  /** How the URIs of its keys begin. */
  readonly scheme: string;
  /** The service's name, for people. */
  readonly title: string;
  /**
   * Every operation, such as `"generate data key"`: `"native"` where the service has it,
   * `"composed"` where keyfold makes it of what the service has, `"absent"` where it is refused
   * with `invalid_argument` and nothing is sent.
   */
  readonly operations: Readonly<Record<string, "native" | "composed" | "absent">>;
  /**
   * How the service binds the encryption context, beside the envelope, which binds it in any case;
   * for text `max` is the bytes from which on a digest of it is bound.
   */
  readonly context: {
    readonly form: "pairs" | "text" | "bytes" | "never";
    readonly max: number | null;
  };
  /** The longest small data, in bytes. */
  readonly max_plaintext: number;
  /** The longest value of a secret, in bytes; 0 where there is no safe. */
  readonly max_secret: number;
  /** The bounds of the waiting period before a key is gone, in days. */
  readonly key_deletion_days: readonly [least: number, most: number];
  /** Whether a key can be asked for by its alias. */
  readonly alias_is_a_name: boolean;
  /** Calls for one new envelope without a cache of data keys, and for opening one. */
  readonly calls: { readonly seal: number; readonly open: number };
}

/** A KMS of a cloud; {@link cloud} makes it. */
export class CloudKms implements Kms {
  /** How the URIs of its keys begin, such as `"tencent"`. */
  readonly scheme: string;
  /** Where it is. */
  readonly uri: string;
  /** `true`: some clouds demand an alias for a new key. */
  readonly namesKeysAtOnce = true;
  readonly #options: CloudOptions;
  #handle: Handle<glue.CloudKms> | undefined;

  /** @internal */
  constructor(options: CloudOptions) {
    this.#options = { ...options };
    this.uri = String(options.uri);
    this.scheme = this.uri.split(":", 1)[0] ?? "";
    this.#fixed();
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

  /**
   * Performs an operation that manages keys or secrets, by its name in the AWS APIs, as far as the
   * cloud has it.
   */
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

  /** What it can, and within which limits, without asking it. */
  async capabilities(): Promise<CloudCapabilities> {
    const kms = await this.#kms();
    return JSON.parse(kms.use((kms) => kms.capabilities())) as CloudCapabilities;
  }

  async #kms(): Promise<Handle<glue.CloudKms>> {
    await load();
    if (!this.#handle || this.#handle.isStale) {
      const { places = {}, timeout = 60_000, retries = 3 } = this.#options;
      const words = Object.entries(places).flatMap(([name, place]) => [
        [name, "", ""],
        ...Object.entries(place).map(([member, value]) => [name, member, String(value)]),
      ]);
      const make = () =>
        new glue.CloudKms(
          this.uri,
          words.flat(),
          timeout,
          retries,
          () => this.#credentials(),
          this.#fixed(),
          (request: Sent) =>
            running((signal) => exchange(this.#options.fetch ?? fetch, request, signal)),
        );
      this.#handle = new Handle(guard(make));
    }
    return this.#handle;
  }

  #fixed(): Parts | undefined {
    const { credentials } = this.#options;
    return typeof credentials === "function" ? undefined : parts(credentials);
  }

  #credentials(): Begun {
    const { credentials } = this.#options;
    return running(async (signal) =>
      parts(typeof credentials === "function" ? await credentials(signal) : credentials),
    );
  }
}

function parts(given: Exclude<CloudOptions["credentials"], (signal: AbortSignal) => unknown>): Parts {
  if (typeof given === "string") return tokenParts(given);
  if (typeof given === "object" && given !== null) {
    if ("token" in given) return tokenParts(given);
    if ("secret" in given) return [...keyParts(given), given.app?.id, given.app?.key] as Parts;
    if ("serviceAccount" in given) {
      return ["google", given.serviceAccount, undefined, undefined, undefined];
    }
    if ("clientSecret" in given) {
      return ["azure", given.clientId, given.clientSecret, given.tenant, given.authority];
    }
  }
  throw new KeyfoldError("invalid_argument", "a cloud takes credentials of one of its forms");
}

/**
 * Reaches the KMS of a cloud. Nothing is sent until it is used.
 *
 * For Node.js, workers and servers: whoever has the secret key of a cloud is the cloud's user, and
 * most clouds answer no page at all. A page goes through keyfold's own server (`keyfold serve`) and
 * {@link remote}.
 *
 * ```ts
 * const kf = await Keyfold.create({
 *   kms: cloud({
 *     uri: "tencent://ap-guangzhou",
 *     credentials: { id: "AKIDEXAMPLE", secret: "EXAMPLEsecretKEY" },
 *   }),
 *   keys: "tencent://ap-guangzhou/23e80852-1e38-11e9-b129-5cb9019b4b01",
 * });
 * ```
 *
 * What the cloud does not have rejects with `invalid_argument`, and nothing is sent.
 */
export function cloud(options: CloudOptions): CloudKms {
  return new CloudKms(options);
}

/** Several KMSs behind one; {@link router} makes it. */
export class RouterKms implements Kms {
  readonly #routes: readonly (readonly [string, Kms])[];
  readonly #otherwise: Kms | undefined;
  #handle: Handle<glue.Router> | undefined;

  /** @internal */
  constructor(routes: Readonly<Record<string, Kms>>, otherwise: Kms | undefined) {
    this.#routes = Object.entries(routes);
    this.#otherwise = otherwise;
    for (const [prefix] of this.#routes) {
      if (prefix.includes(":")) continue;
      const message = "a route is how key URIs begin, such as tencent://ap-guangzhou/";
      throw new KeyfoldError("invalid_argument", message);
    }
  }

  /** Performs one operation, at the KMS whose keys it names. */
  async call(request: KmsRequest, signal?: AbortSignal): Promise<KmsResponse> {
    throwIfAborted(signal);
    await load();
    if (!this.#handle || this.#handle.isStale) {
      const all = [...this.#routes.map(([, kms]) => kms), this.#otherwise];
      const calls = all
        .filter((kms) => kms !== undefined)
        .map((kms) => (asked: KmsRequest) => running((end) => kms.call(asked, end)));
      const prefixes = this.#routes.map(([prefix]) => prefix);
      this.#handle = new Handle(guard(() => new glue.Router(prefixes, calls)));
    }
    return settle(
      this.#handle.use((router) => router.call(request)),
      signal,
    );
  }
}

/**
 * Puts several KMSs behind one: keys of all of them may then stand in one envelope, which any one
 * of them opens while the others are down. Only what is named here is ever asked.
 *
 * ```ts
 * const kms = router({
 *   "tencent://ap-guangzhou/": cloud({ uri: "tencent://ap-guangzhou", credentials: tencent }),
 *   "huawei://cn-north-4/": cloud({ uri: "huawei://cn-north-4", credentials: huawei, places }),
 * });
 * ```
 *
 * The routes are how key URIs begin; of several that fit the longest counts. `otherwise` is the KMS
 * of all other keys, and of secrets; without it both are `invalid_argument`. Keys and secrets are
 * managed at each KMS itself.
 */
export function router(
  routes: Readonly<Record<string, Kms>>,
  options: { otherwise?: Kms | undefined } = {},
): RouterKms {
  return new RouterKms(routes, options.otherwise);
}
