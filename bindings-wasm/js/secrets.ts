import { text, view } from "./bytes.js";
import { KeyfoldError } from "./errors.js";
import { type CallOptions, Operations, date } from "./keys.js";
import type { KeyUri, Kms, KmsRequest, KmsResponses } from "./kms.js";
import type { Bytes } from "./types.js";

/** A secret's value: wiped when it is disposed of, and in no text of its own. */
export class Secret implements Disposable {
  readonly #value: Uint8Array<ArrayBuffer>;
  /** The id of the version that was read. */
  readonly version: string | undefined;
  #wiped = false;

  /** Takes bytes over. @internal */
  constructor(value: Uint8Array, version?: string) {
    this.#value = value as Uint8Array<ArrayBuffer>;
    this.version = version;
  }

  /** The bytes themselves: they are wiped with this object. */
  expose(): Uint8Array<ArrayBuffer> {
    if (this.#wiped) throw new KeyfoldError("invalid_argument", "it was disposed of");
    return this.#value;
  }

  /** The value as text. JavaScript cannot wipe a text: it stays in memory until it is collected. */
  exposeText(): string {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.expose());
    } catch (error) {
      if (error instanceof KeyfoldError) throw error;
      throw new KeyfoldError("invalid_argument", "the secret is no text in UTF-8");
    }
  }

  /** Wipes the value. */
  dispose(): void {
    this.#wiped = true;
    this.#value.fill(0);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Says nothing of the value. */
  toJSON(): string {
    return "Secret(..)";
  }
}

/** A secret in the safe, without its value. */
export interface SecretInfo {
  readonly name: string;
  /** What people should know about it. */
  readonly description: string;
  /** When it will end, where that is scheduled. */
  readonly deletion: Date | undefined;
}

/** A version of a secret. */
export interface SecretVersion {
  readonly id: string;
  /** Such as `"AWSCURRENT"`. */
  readonly stages: readonly string[];
  readonly created: Date | undefined;
}

type Ask = <T extends KmsRequest["type"]>(
  request: Extract<KmsRequest, { type: T }>,
  signal: AbortSignal | undefined,
) => Promise<KmsResponses[T]>;

type Json = Record<string, unknown>;

/** The password safe of a KMS, by names of 1 to 512 characters; {@link Keyfold.secrets} is one. */
export class Secrets {
  readonly #operations: Operations;
  readonly #ask: Ask;

  /** @internal */
  constructor(kms: Kms, ask: Ask) {
    this.#operations = new Operations(kms);
    this.#ask = ask;
  }

  /**
   * Stores 1 to 65536 bytes, a text in UTF-8, as a new version where the secret exists; answers
   * the version's id. `key` protects a new secret; the safe's own where absent.
   */
  async put(
    name: string,
    value: string | Bytes | Secret,
    options: CallOptions & { key?: KeyUri | undefined } = {},
  ): Promise<string> {
    const bytes =
      value instanceof Secret
        ? value.expose().slice()
        : typeof value === "string"
          ? new TextEncoder().encode(text(value, "a secret"))
          : view(value, "the secret").slice();
    const token = crypto.randomUUID();
    try {
      const request = { type: "putSecret", name, value: bytes, key: options.key, token } as const;
      return (await this.#ask(request, options.signal)).version;
    } finally {
      bytes.fill(0);
    }
  }

  /**
   * Reads the current value, or one version, named by its id, by its stage, or both.
   * `secret_not_found` where there is none, or it waits for its deletion.
   */
  async get(
    name: string,
    options: CallOptions & { version?: string | undefined; stage?: string | undefined } = {},
  ): Promise<Secret> {
    const { version, stage, signal } = options;
    const answer = await this.#ask({ type: "getSecret", name, version, stage }, signal);
    return new Secret(answer.value, answer.version);
  }

  /** The secrets, by name; with `all` also those that wait for their deletion. */
  async list(options: CallOptions & { all?: boolean | undefined } = {}): Promise<SecretInfo[]> {
    const members = { IncludePlannedDeletion: options.all ?? false };
    const found: SecretInfo[] = [];
    for await (const page of this.#operations.pages("ListSecrets", members, options)) {
      for (const entry of page["SecretList"] as Json[]) {
        found.push({
          name: String(entry["Name"]),
          description: String(entry["Description"] ?? ""),
          deletion: date(entry["DeletedDate"]),
        });
      }
    }
    return found.sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** The versions of a secret; with `all` also those that no stage names any more. */
  async versions(
    name: string,
    options: CallOptions & { all?: boolean | undefined } = {},
  ): Promise<SecretVersion[]> {
    const members = { SecretId: name, IncludeDeprecated: options.all ?? false };
    const found: SecretVersion[] = [];
    for await (const page of this.#operations.pages("ListSecretVersionIds", members, options)) {
      for (const entry of page["Versions"] as Json[]) {
        found.push({
          id: String(entry["VersionId"]),
          stages: (entry["VersionStages"] ?? []) as string[],
          created: date(entry["CreatedDate"]),
        });
      }
    }
    return found;
  }

  /**
   * Ends a secret after a recovery window of 7 to 30 days, 30 where absent; answers when. With
   * `now` it ends at once and for good.
   */
  async delete(
    name: string,
    options: CallOptions & { days?: number | undefined; now?: boolean | undefined } = {},
  ): Promise<Date> {
    const members = {
      SecretId: name,
      RecoveryWindowInDays: options.days,
      ForceDeleteWithoutRecovery: options.now ? true : undefined,
    };
    const answer = await this.#operations.perform("DeleteSecret", members, options);
    return date(answer["DeletionDate"]) ?? new Date(Number.NaN);
  }

  /** Calls off the deletion of a secret. */
  async restore(name: string, options: CallOptions = {}): Promise<void> {
    await this.#operations.perform("RestoreSecret", { SecretId: name }, options);
  }
}
