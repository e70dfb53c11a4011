import { KeyfoldError, isKeyfoldError } from "./errors.js";
import type { KeyUri, Kms } from "./kms.js";
import type { SignatureAlgorithm } from "./types.js";

/** What every call takes. */
export interface CallOptions {
  /** Ends the call: its promise rejects with `cancelled`. */
  signal?: AbortSignal | undefined;
}

/** The properties of a KMS key. */
export interface KeyInfo {
  /** The full name, as every envelope has it. */
  readonly key: KeyUri;
  /** Its id alone. */
  readonly keyId: string;
  /** What kind of key, such as `"SYMMETRIC_DEFAULT"` or `"ECC_NIST_P256"`. */
  readonly spec: string;
  /** `"ENCRYPT_DECRYPT"` or `"SIGN_VERIFY"`. */
  readonly usage: string;
  /** `"Enabled"`, `"Disabled"`, `"PendingDeletion"`, … */
  readonly state: string;
  /** Whether it can be used. */
  readonly enabled: boolean;
  /** What people should know about it. */
  readonly description: string;
  /** When it was made. */
  readonly created: Date;
  /** When it will end, where that is scheduled. */
  readonly deletion: Date | undefined;
  /** What it signs with; empty for a key that encrypts. */
  readonly signingAlgorithms: readonly SignatureAlgorithm[];
}

/** What {@link KeyAdmin.create} takes. */
export interface CreateKeyOptions extends CallOptions {
  /** `alias/` and letters, digits, `/`, `_`, `-`. */
  alias?: string | undefined;
  /**
   * `SYMMETRIC_DEFAULT`, the default; `RSA_2048` to `RSA_4096`, `ECC_NIST_P256` to `P521`,
   * `ECC_SECG_P256K1`, `ECC_NIST_EDWARDS25519`.
   */
  spec?: string | undefined;
  /** `ENCRYPT_DECRYPT` or `SIGN_VERIFY`; needed for RSA only. */
  usage?: string | undefined;
  /** What people should know about it. */
  description?: string | undefined;
  /** Names and values. */
  tags?: Readonly<Record<string, string>> | undefined;
  /** The key policy, in JSON. */
  policy?: string | undefined;
}

type Json = Record<string, unknown>;

/** A moment of the KMS, in seconds. */
export function date(seconds: unknown): Date | undefined {
  return typeof seconds === "number" ? new Date(seconds * 1000) : undefined;
}

/** Operations of a KMS by their names, with their pages. */
export class Operations {
  readonly #kms: Kms;

  constructor(kms: Kms) {
    this.#kms = kms;
  }

  async perform(name: string, members: Json, options: CallOptions = {}): Promise<Json> {
    if (!this.#kms.operation) {
      throw new KeyfoldError("invalid_argument", "this KMS has no management of keys and secrets");
    }
    const body = Object.entries(members).filter(([, value]) => value !== undefined);
    return (await this.#kms.operation(name, Object.fromEntries(body), options.signal)) as Json;
  }

  async *pages(name: string, members: Json, options: CallOptions = {}): AsyncGenerator<Json> {
    let next = members;
    for (;;) {
      const page = await this.perform(name, next, options);
      yield page;
      const { NextMarker: marker, NextToken: token } = page;
      if (marker) next = { ...members, Marker: marker };
      else if (token) next = { ...members, NextToken: token };
      else return;
    }
  }
}

/**
 * The life of KMS keys, at any KMS that speaks the AWS KMS API or is a cloud's; {@link Keyfold.keys}
 * is one. A key is named by its key URI. Every method may reject with the `kms_*` codes.
 */
export class KeyAdmin {
  readonly #kms: Kms;
  readonly #operations: Operations;
  readonly #scheme: string;

  constructor(kms: Kms) {
    this.#kms = kms;
    this.#operations = new Operations(kms);
    this.#scheme = kms.scheme ?? "keyfold";
  }

  /**
   * Makes a KMS key, and a name for it; answers its full name. `version_conflict` where the alias
   * names another key already: then no key is made.
   */
  async create(options: CreateKeyOptions = {}): Promise<KeyUri> {
    const { alias, spec = "SYMMETRIC_DEFAULT", description, tags, policy } = options;
    // One without the alias that was asked for helps nobody: it is named at once, or was free before.
    const atOnce = this.#kms.namesKeysAtOnce;
    if (alias !== undefined && !atOnce) await this.#free(alias, options);
    const usage = options.usage ?? (spec.startsWith("ECC_") ? "SIGN_VERIFY" : undefined);
    const made = await this.#operations.perform(
      "CreateKey",
      {
        KeySpec: spec,
        KeyUsage: usage,
        Description: description,
        Tags: pairs(tags ?? {}),
        Policy: policy,
        AliasName: atOnce ? alias : undefined,
      },
      options,
    );
    const info = this.#info(made["KeyMetadata"] as Json);
    if (alias !== undefined && !atOnce) await this.#alias("CreateAlias", alias, info.keyId, options);
    return info.key;
  }

  async #free(alias: string, options: CallOptions): Promise<void> {
    if (!alias.startsWith("alias/")) {
      throw new KeyfoldError("invalid_argument", "an alias has the form alias/NAME");
    }
    try {
      await this.describe(`${this.#scheme}:${alias}`, options);
    } catch (error) {
      if (isKeyfoldError(error) && error.code === "kms_key_unavailable") return;
      throw error;
    }
    throw new KeyfoldError("version_conflict", `${alias} names another key already`);
  }

  /** The properties of a key, by any of its names. */
  async describe(key: KeyUri, options: CallOptions = {}): Promise<KeyInfo> {
    const answer = await this.#operations.perform(
      "DescribeKey",
      { KeyId: this.#name(key) },
      options,
    );
    return this.#info(answer["KeyMetadata"] as Json);
  }

  /** The full names of all keys. */
  async list(options: CallOptions = {}): Promise<KeyUri[]> {
    const keys: KeyUri[] = [];
    for await (const page of this.#operations.pages("ListKeys", { Limit: 1000 }, options)) {
      for (const { KeyArn: arn } of page["Keys"] as Json[]) keys.push(`${this.#scheme}:${arn}`);
    }
    return keys;
  }

  /** Makes a disabled key usable again. */
  async enable(key: KeyUri, options: CallOptions = {}): Promise<void> {
    await this.#change("EnableKey", key, {}, options);
  }

  /** Makes a key unusable until it is enabled again. */
  async disable(key: KeyUri, options: CallOptions = {}): Promise<void> {
    await this.#change("DisableKey", key, {}, options);
  }

  /** Gives a symmetric key a new version; what older versions encrypted still opens. */
  async rotate(key: KeyUri, options: CallOptions = {}): Promise<void> {
    await this.#change("RotateKeyOnDemand", key, {}, options);
  }

  /** Has a symmetric key rotate by itself every 90 to 2560 days, or with `null` no more. */
  async setRotation(key: KeyUri, options: CallOptions & { days: number | null }): Promise<void> {
    const { days } = options;
    if (days === null) await this.#change("DisableKeyRotation", key, {}, options);
    else await this.#change("EnableKeyRotation", key, { RotationPeriodInDays: days }, options);
  }

  /** Replaces what people should know about a key. */
  async setDescription(key: KeyUri, description: string, options: CallOptions = {}): Promise<void> {
    await this.#change("UpdateKeyDescription", key, { Description: description }, options);
  }

  /**
   * Ends a key after a waiting period of 7 to 30 days, 30 where absent; answers when. When it is
   * gone, everything encrypted under it is lost for good.
   */
  async scheduleDeletion(
    key: KeyUri,
    options: CallOptions & { days?: number | undefined } = {},
  ): Promise<Date> {
    const members = { PendingWindowInDays: options.days ?? 30 };
    const answer = await this.#change("ScheduleKeyDeletion", key, members, options);
    return date(answer["DeletionDate"]) ?? new Date(Number.NaN);
  }

  /** Keeps a key whose deletion is scheduled; it is disabled afterwards. */
  async cancelDeletion(key: KeyUri, options: CallOptions = {}): Promise<void> {
    await this.#change("CancelKeyDeletion", key, {}, options);
  }

  /** Gives a key another name, `alias/NAME`. */
  async createAlias(alias: string, key: KeyUri, options: CallOptions = {}): Promise<void> {
    await this.#alias("CreateAlias", alias, await this.#id(key, options), options);
  }

  /** Moves a name to another key of the same kind. */
  async updateAlias(alias: string, key: KeyUri, options: CallOptions = {}): Promise<void> {
    await this.#alias("UpdateAlias", alias, await this.#id(key, options), options);
  }

  /** Takes a name away; its key stays. */
  async deleteAlias(alias: string, options: CallOptions = {}): Promise<void> {
    await this.#operations.perform("DeleteAlias", { AliasName: alias }, options);
  }

  /** The names of one key, or all of them, each with the id of its key. */
  async listAliases(key?: KeyUri, options: CallOptions = {}): Promise<Record<string, string>> {
    const members = { KeyId: key && (await this.#id(key, options)), Limit: 100 };
    const found: Record<string, string> = {};
    for await (const page of this.#operations.pages("ListAliases", members, options)) {
      for (const { AliasName: alias, TargetKeyId: id } of page["Aliases"] as Json[]) {
        if (id) found[String(alias)] = String(id);
      }
    }
    return found;
  }

  /** Sets tags of a key. */
  async tag(
    key: KeyUri,
    tags: Readonly<Record<string, string>>,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#change("TagResource", key, { Tags: pairs(tags) }, options);
  }

  /** Removes tags of a key. */
  async untag(key: KeyUri, names: readonly string[], options: CallOptions = {}): Promise<void> {
    await this.#change("UntagResource", key, { TagKeys: names }, options);
  }

  /** The tags of a key. */
  async listTags(key: KeyUri, options: CallOptions = {}): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    const members = { KeyId: await this.#id(key, options) };
    for await (const page of this.#operations.pages("ListResourceTags", members, options)) {
      for (const tag of page["Tags"] as Json[])
        found[String(tag["TagKey"])] = String(tag["TagValue"]);
    }
    return found;
  }

  /** The policy of a key, in JSON. */
  async getPolicy(key: KeyUri, options: CallOptions = {}): Promise<string> {
    return String((await this.#change("GetKeyPolicy", key, {}, options))["Policy"]);
  }

  /** Replaces the policy of a key. */
  async putPolicy(key: KeyUri, policy: string, options: CallOptions = {}): Promise<void> {
    await this.#change("PutKeyPolicy", key, { Policy: policy }, options);
  }

  async #change(name: string, key: KeyUri, members: Json, options: CallOptions): Promise<Json> {
    const KeyId = await this.#id(key, options);
    return this.#operations.perform(name, { KeyId, ...members }, options);
  }

  async #alias(name: string, alias: string, id: string, options: CallOptions): Promise<void> {
    await this.#operations.perform(name, { AliasName: alias, TargetKeyId: id }, options);
  }

  /** The key's name at this KMS. */
  #name(key: KeyUri): string {
    const colon = String(key).indexOf(":");
    if (colon < 0) {
      throw new KeyfoldError("invalid_argument", "a key URI has the form scheme:name");
    }
    if (key.slice(0, colon) !== this.#scheme) {
      const message = "the key is of another KMS than the one that is asked";
      throw new KeyfoldError("invalid_argument", message);
    }
    return key.slice(colon + 1);
  }

  /** The key as management takes it, which is not by its alias. */
  async #id(key: KeyUri, options: CallOptions): Promise<string> {
    const name = this.#name(key);
    const alias = name.startsWith("alias/") || name.includes(":alias/");
    return alias ? this.#name((await this.describe(key, options)).key) : name;
  }

  #info(metadata: Json): KeyInfo {
    const state = String(metadata["KeyState"]);
    return {
      key: `${this.#scheme}:${metadata["Arn"]}`,
      keyId: String(metadata["KeyId"]),
      spec: String(metadata["KeySpec"]),
      usage: String(metadata["KeyUsage"]),
      state,
      enabled: state === "Enabled",
      description: String(metadata["Description"] ?? ""),
      created: date(metadata["CreationDate"]) ?? new Date(Number.NaN),
      deletion: date(metadata["DeletionDate"]),
      signingAlgorithms: (metadata["SigningAlgorithms"] ?? []) as SignatureAlgorithm[],
    };
  }
}

function pairs(tags: Readonly<Record<string, string>>): Json[] {
  return Object.entries(tags).map(([name, value]) => ({ TagKey: name, TagValue: value }));
}
