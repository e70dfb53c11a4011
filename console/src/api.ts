/** Calls of the server: AWS JSON 1.1, same origin, with the token of the session. */

import * as session from "./session";

/** Where operations are called: one up from the page. */
export const SERVER = new URL("../", document.baseURI);

/** What the server refuses, or why it was not reached. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    /** The name of the error, such as `AccessDeniedException`; `Unreachable` is ours. */
    readonly code: string,
    message: string,
    /** By which the server's log and audit chain name the request. */
    readonly requestId?: string,
  ) {
    super(message);
  }
}

/** Errors that say: who calls is not proved. */
const UNPROVEN = [
  "MissingAuthenticationTokenException",
  "IncompleteSignatureException",
  "InvalidSignatureException",
  "UnrecognizedClientException",
  "ExpiredTokenException",
];

/** Whether an error says that the token does not count, or no longer. */
export function isUnproven(error: unknown): boolean {
  return error instanceof ApiError && UNPROVEN.includes(error.code);
}

/** An answer, or something else where the token may not have it. */
export async function unlessDenied<T, U>(answer: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await answer;
  } catch (error) {
    if (isDenied(error)) return otherwise;
    throw error;
  }
}

/** Whether an error says that the token is good, and may not do this. */
export function isDenied(error: unknown): boolean {
  return error instanceof ApiError && error.code === "AccessDeniedException";
}

/** Calls an operation with a token. */
export async function callAs<T>(
  token: string,
  target: string,
  body: object,
  signal?: AbortSignal,
): Promise<T> {
  let response;
  let text;
  try {
    response = await fetch(SERVER, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": target,
      },
      body: JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      signal: signal ?? null,
    });
    text = await response.text();
  } catch (error) {
    signal?.throwIfAborted();
    throw new ApiError("Unreachable", error instanceof Error ? error.message : "no answer");
  }
  const id = response.headers.get("x-amzn-requestid") ?? undefined;
  let answer: Record<string, unknown>;
  try {
    answer = JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw new ApiError("Unreachable", `the answer (${response.status}) is not of keyfold`, id);
  }
  if (response.ok) return answer as T;
  const message = answer["message"] ?? answer["Message"];
  throw new ApiError(String(answer["__type"]), typeof message === "string" ? message : "", id);
}

/** Calls an operation in the session; where that has ended, once more when it goes on. */
export async function call<T>(target: string, body: object = {}, signal?: AbortSignal): Promise<T> {
  const token = await session.token();
  try {
    return await callAs<T>(token, target, body, signal);
  } catch (error) {
    if (!isUnproven(error)) throw error;
    await session.renewed(token);
    signal?.throwIfAborted();
    return callAs<T>(await session.token(), target, body, signal);
  }
}

const kms = <T>(name: string, body: object = {}, signal?: AbortSignal) =>
  call<T>(`TrentService.${name}`, body, signal);
const secrets = <T>(name: string, body: object = {}, signal?: AbortSignal) =>
  call<T>(`secretsmanager.${name}`, body, signal);

/** Times are seconds since 1970. */
type Seconds = number;

/** What a key is. */
export interface KeyMetadata {
  KeyId: string;
  Arn: string;
  CreationDate: Seconds;
  Enabled: boolean;
  Description: string;
  KeyUsage: "ENCRYPT_DECRYPT" | "SIGN_VERIFY";
  KeyState: "Enabled" | "Disabled" | "PendingDeletion";
  DeletionDate?: Seconds;
  KeySpec: string;
  EncryptionAlgorithms?: string[];
  SigningAlgorithms?: string[];
}

export interface Alias {
  AliasName: string;
  TargetKeyId: string;
}

/** Part of a list, and where it goes on. */
export interface Page<T> {
  items: T[];
  next: string | undefined;
}

export async function listKeys(
  limit: number,
  marker: string | undefined,
  signal?: AbortSignal,
): Promise<Page<string>> {
  const body = { Limit: limit, ...(marker && { Marker: marker }) };
  const page = await kms<{ Keys: { KeyId: string }[]; NextMarker?: string }>(
    "ListKeys",
    body,
    signal,
  );
  return { items: page.Keys.map((key) => key.KeyId), next: page.NextMarker };
}

export async function describeKey(key: string, signal?: AbortSignal): Promise<KeyMetadata> {
  return (await kms<{ KeyMetadata: KeyMetadata }>("DescribeKey", { KeyId: key }, signal))
    .KeyMetadata;
}

export interface NewKey {
  KeySpec: string;
  KeyUsage: string;
  Description: string;
}

export async function createKey(key: NewKey): Promise<KeyMetadata> {
  return (await kms<{ KeyMetadata: KeyMetadata }>("CreateKey", key)).KeyMetadata;
}

/** All aliases, of one key or of the store; of a store the first thousand. */
export async function listAliases(key?: string, signal?: AbortSignal): Promise<Alias[]> {
  const found: Alias[] = [];
  let marker: string | undefined;
  do {
    const body = { Limit: 100, ...(key && { KeyId: key }), ...(marker && { Marker: marker }) };
    const page = await kms<{ Aliases: Alias[]; NextMarker?: string }>("ListAliases", body, signal);
    found.push(...page.Aliases);
    marker = page.NextMarker;
  } while (marker !== undefined && found.length < 1000);
  return found;
}

export const createAlias = (alias: string, key: string) =>
  kms("CreateAlias", { AliasName: alias, TargetKeyId: key });
export const deleteAlias = (alias: string) => kms("DeleteAlias", { AliasName: alias });
export const enableKey = (key: string) => kms("EnableKey", { KeyId: key });
export const disableKey = (key: string) => kms("DisableKey", { KeyId: key });
export const rotateKey = (key: string) => kms("RotateKeyOnDemand", { KeyId: key });
export const scheduleDeletion = (key: string, days: number) =>
  kms("ScheduleKeyDeletion", { KeyId: key, PendingWindowInDays: days });
export const cancelDeletion = (key: string) => kms("CancelKeyDeletion", { KeyId: key });
export const enableRotation = (key: string, days: number) =>
  kms("EnableKeyRotation", { KeyId: key, RotationPeriodInDays: days });
export const disableRotation = (key: string) => kms("DisableKeyRotation", { KeyId: key });

export interface RotationStatus {
  KeyRotationEnabled: boolean;
  RotationPeriodInDays?: number;
  NextRotationDate?: Seconds;
}

export const rotationStatus = (key: string, signal?: AbortSignal) =>
  kms<RotationStatus>("GetKeyRotationStatus", { KeyId: key }, signal);

export interface Version {
  KeyMaterialId: string;
  KeyMaterialState: "CURRENT" | "NON_CURRENT";
  RotationDate?: Seconds;
  RotationType?: "AUTOMATIC" | "ON_DEMAND";
}

/** The versions of a key's material, oldest first; the first thousand. */
export async function listVersions(key: string, signal?: AbortSignal): Promise<Version[]> {
  const body = { KeyId: key, IncludeKeyMaterial: "ALL_KEY_MATERIAL", Limit: 1000 };
  return (await kms<{ Rotations: Version[] }>("ListKeyRotations", body, signal)).Rotations;
}

export interface SecretEntry {
  ARN: string;
  Name: string;
  Description?: string;
  KmsKeyId?: string;
  LastChangedDate?: Seconds;
  DeletedDate?: Seconds;
}

export async function listSecrets(
  token: string | undefined,
  deleted: boolean,
  signal?: AbortSignal,
): Promise<Page<SecretEntry>> {
  const body = {
    MaxResults: 100,
    IncludePlannedDeletion: deleted,
    ...(token && { NextToken: token }),
  };
  const page = await secrets<{ SecretList: SecretEntry[]; NextToken?: string }>(
    "ListSecrets",
    body,
    signal,
  );
  return { items: page.SecretList, next: page.NextToken };
}

export const describeSecret = (name: string, signal?: AbortSignal) =>
  secrets<SecretEntry>("DescribeSecret", { SecretId: name }, signal);

export interface SecretVersion {
  VersionId: string;
  VersionStages?: string[];
  CreatedDate: Seconds;
}

export async function listSecretVersions(
  name: string,
  signal?: AbortSignal,
): Promise<SecretVersion[]> {
  const body = { SecretId: name, MaxResults: 100, IncludeDeprecated: true };
  return (await secrets<{ Versions: SecretVersion[] }>("ListSecretVersionIds", body, signal))
    .Versions;
}

export interface SecretValue {
  VersionId: string;
  SecretString?: string;
  /** In base64. */
  SecretBinary?: string;
}

export const getSecret = (name: string, version?: string) =>
  secrets<SecretValue>("GetSecretValue", {
    SecretId: name,
    ...(version && { VersionId: version }),
  });

export interface NewSecret {
  Name: string;
  SecretString: string;
  Description?: string;
  KmsKeyId?: string;
}

/** A change of a secret that is sent twice under one token happens once. */
const once = () => ({ ClientRequestToken: crypto.randomUUID() });
export const createSecret = (secret: NewSecret) =>
  secrets<{ VersionId: string }>("CreateSecret", { ...secret, ...once() });
export const putSecret = (name: string, value: string) =>
  secrets<{ VersionId: string }>("PutSecretValue", {
    SecretId: name,
    SecretString: value,
    ...once(),
  });
export const deleteSecret = (name: string, days: number) =>
  secrets("DeleteSecret", { SecretId: name, RecoveryWindowInDays: days });
export const restoreSecret = (name: string) => secrets("RestoreSecret", { SecretId: name });
export const randomPassword = async () =>
  (await secrets<{ RandomPassword: string }>("GetRandomPassword", { PasswordLength: 24 }))
    .RandomPassword;

/** What was asked of the KMS; more members than these are shown as they stand. */
export interface AuditRecord {
  seq: number;
  /** Milliseconds since 1970. */
  time: number;
  principal: string;
  operation: string;
  result: string;
  readOnly: boolean;
  resources?: string[];
  [member: string]: unknown;
}

export async function listAudit(
  marker: string | undefined,
  signal?: AbortSignal,
): Promise<Page<AuditRecord>> {
  const body = { Limit: 100, ...(marker && { Marker: marker }) };
  const page = await call<{ Records: AuditRecord[]; NextMarker?: string }>(
    "keyfold.ListAuditRecords",
    body,
    signal,
  );
  return { items: page.Records, next: page.NextMarker };
}
