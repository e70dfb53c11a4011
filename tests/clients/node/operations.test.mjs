// Every operation of the server, once and well, through the AWS SDK for JavaScript.

import assert from "node:assert/strict";
import crypto from "node:crypto";
import { after, test } from "node:test";

import { paginateListKeys, paginateListAliases } from "@aws-sdk/client-kms";
import { paginateListSecrets } from "@aws-sdk/client-secrets-manager";

import { call, clients, record } from "./clients.mjs";

const OFFERED = {
  kms: `CreateKey DescribeKey ListKeys EnableKey DisableKey UpdateKeyDescription
    ScheduleKeyDeletion CancelKeyDeletion CreateAlias UpdateAlias DeleteAlias ListAliases
    TagResource UntagResource ListResourceTags GetKeyPolicy PutKeyPolicy ListKeyPolicies Encrypt
    Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateRandom Sign Verify
    GetPublicKey EnableKeyRotation DisableKeyRotation GetKeyRotationStatus RotateKeyOnDemand
    ListKeyRotations CreateGrant ListGrants ListRetirableGrants RetireGrant RevokeGrant`,
  secretsmanager: `CreateSecret GetSecretValue PutSecretValue UpdateSecret
    UpdateSecretVersionStage DescribeSecret ListSecrets ListSecretVersionIds DeleteSecret
    RestoreSecret GetRandomPassword TagResource UntagResource`,
};
const NOBODY = "arn:aws:iam::000000000000:user/nobody";
const EncryptionContext = { tenant: "Zoë GmbH", 鍵: "値 🔑", "": "" };

const kms = (operation, input) => call("kms", operation, input);
const secrets = (operation, input) => call("secretsmanager", operation, input);
const makeKey = async (input) => (await kms("CreateKey", input)).KeyMetadata;

test("keys, aliases, tags, policies", async () => {
  const key = await makeKey({ Description: "aus Node ∞", Tags: [{ TagKey: "a", TagValue: "ä" }] });
  const KeyId = key.KeyId;
  assert.ok(key.CreationDate instanceof Date);
  assert.ok(Math.abs(Date.now() - key.CreationDate) < 60_000);
  assert.deepEqual((await kms("DescribeKey", { KeyId })).KeyMetadata, key);
  await kms("UpdateKeyDescription", { KeyId, Description: "anders" });
  await kms("DisableKey", { KeyId });
  assert.equal((await kms("DescribeKey", { KeyId })).KeyMetadata.KeyState, "Disabled");
  await kms("EnableKey", { KeyId });

  const AliasName = "alias/node";
  await kms("CreateAlias", { AliasName, TargetKeyId: KeyId });
  const second = await makeKey();
  await kms("UpdateAlias", { AliasName, TargetKeyId: second.KeyId });
  assert.equal((await kms("DescribeKey", { KeyId: AliasName })).KeyMetadata.Arn, second.Arn);
  const aliases = [];
  for await (const page of paginateListAliases({ client: clients.kms, pageSize: 1 }, {})) {
    aliases.push(...page.Aliases.map((alias) => alias.AliasName));
  }
  assert.ok(aliases.includes(AliasName));
  await kms("ListAliases", { KeyId: second.KeyId });
  await kms("DeleteAlias", { AliasName });

  await kms("TagResource", { KeyId, Tags: [{ TagKey: "b", TagValue: "" }] });
  await kms("UntagResource", { KeyId, TagKeys: ["a"] });
  assert.deepEqual((await kms("ListResourceTags", { KeyId })).Tags, [{ TagKey: "b", TagValue: "" }]);
  const { Policy } = await kms("GetKeyPolicy", { KeyId });
  await kms("PutKeyPolicy", { KeyId, Policy });
  assert.deepEqual((await kms("ListKeyPolicies", { KeyId })).PolicyNames, ["default"]);

  const seen = new Set();
  for await (const page of paginateListKeys({ client: clients.kms, pageSize: 1 }, {})) {
    page.Keys.forEach((entry) => seen.add(entry.KeyArn));
  }
  assert.ok(seen.has(key.Arn) && seen.has(second.Arn));
  await kms("ListKeys", { Limit: 1 });

  const gone = await kms("ScheduleKeyDeletion", { KeyId, PendingWindowInDays: 7 });
  assert.ok(gone.DeletionDate instanceof Date);
  assert.equal((await kms("CancelKeyDeletion", { KeyId })).KeyId, key.Arn);
});

test("encryption, data keys, randomness", async () => {
  const key = await makeKey();
  const other = await makeKey();
  const KeyId = key.Arn;
  const Plaintext = crypto.randomBytes(4096);
  const sealed = await kms("Encrypt", { KeyId, Plaintext, EncryptionContext });
  assert.ok(sealed.CiphertextBlob instanceof Uint8Array);
  const opened = await kms("Decrypt", { CiphertextBlob: sealed.CiphertextBlob, EncryptionContext });
  assert.deepEqual(Buffer.from(opened.Plaintext), Plaintext);
  assert.equal(opened.KeyId, key.Arn);
  const moved = await kms("ReEncrypt", {
    CiphertextBlob: sealed.CiphertextBlob,
    SourceEncryptionContext: EncryptionContext,
    DestinationKeyId: other.KeyId,
  });
  assert.deepEqual([moved.SourceKeyId, moved.KeyId], [key.Arn, other.Arn]);
  const dataKey = await kms("GenerateDataKey", { KeyId, KeySpec: "AES_256", EncryptionContext });
  const back = await kms("Decrypt", { CiphertextBlob: dataKey.CiphertextBlob, EncryptionContext });
  assert.deepEqual(back.Plaintext, dataKey.Plaintext);
  const without = await kms("GenerateDataKeyWithoutPlaintext", { KeyId, NumberOfBytes: 7 });
  assert.equal(without.Plaintext, undefined);
  const decrypted = await kms("Decrypt", { CiphertextBlob: without.CiphertextBlob });
  assert.equal(decrypted.Plaintext.length, 7);
  assert.equal((await kms("GenerateRandom", { NumberOfBytes: 1024 })).Plaintext.length, 1024);
});

test("signatures", async () => {
  const spec = { KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" };
  const { Arn: KeyId } = await makeKey(spec);
  const input = { KeyId, Message: Buffer.from("häßlich"), SigningAlgorithm: "ECDSA_SHA_256" };
  const { Signature } = await kms("Sign", input);
  assert.equal((await kms("Verify", { ...input, Signature })).SignatureValid, true);
  const { PublicKey } = await kms("GetPublicKey", { KeyId });
  const key = { key: Buffer.from(PublicKey), format: "der", type: "spki" };
  assert.ok(crypto.verify("sha256", input.Message, key, Buffer.from(Signature)));
});

test("rotation", async () => {
  const { Arn: KeyId } = await makeKey();
  await kms("EnableKeyRotation", { KeyId, RotationPeriodInDays: 90 });
  const status = await kms("GetKeyRotationStatus", { KeyId });
  assert.deepEqual([status.KeyRotationEnabled, status.RotationPeriodInDays], [true, 90]);
  assert.ok(status.NextRotationDate instanceof Date);
  await kms("DisableKeyRotation", { KeyId });
  const before = await kms("Encrypt", { KeyId, Plaintext: Buffer.from("p") });
  await kms("RotateKeyOnDemand", { KeyId });
  await kms("Decrypt", { CiphertextBlob: before.CiphertextBlob });
  const [rotation] = (await kms("ListKeyRotations", { KeyId })).Rotations;
  assert.equal(rotation.RotationType, "ON_DEMAND");
  assert.ok(rotation.RotationDate instanceof Date);
});

test("grants", async () => {
  const { Arn: KeyId } = await makeKey();
  const input = { KeyId, GranteePrincipal: NOBODY, Operations: ["Decrypt"] };
  const grant = await kms("CreateGrant", { ...input, RetiringPrincipal: NOBODY });
  const [listed] = (await kms("ListGrants", { KeyId })).Grants;
  assert.equal(listed.GrantId, grant.GrantId);
  assert.ok(listed.CreationDate instanceof Date);
  const retirable = await kms("ListRetirableGrants", { RetiringPrincipal: NOBODY });
  assert.ok(retirable.Grants.some((entry) => entry.GrantId === grant.GrantId));
  await kms("RetireGrant", { GrantToken: grant.GrantToken });
  const { GrantId } = await kms("CreateGrant", input);
  await kms("RevokeGrant", { KeyId, GrantId });
  assert.deepEqual((await kms("ListGrants", { KeyId })).Grants, []);
});

test("secrets", async () => {
  const SecretId = "node/db";
  const SecretString = "pässwörd 🔑";
  const made = await secrets("CreateSecret", { Name: SecretId, SecretString });
  const got = await secrets("GetSecretValue", { SecretId });
  assert.equal(got.SecretString, SecretString);
  assert.ok(got.CreatedDate instanceof Date);
  const SecretBinary = crypto.randomBytes(65_536);
  const put = await secrets("PutSecretValue", { SecretId, SecretBinary });
  const binary = await secrets("GetSecretValue", { SecretId: made.ARN });
  assert.deepEqual(Buffer.from(binary.SecretBinary), SecretBinary);
  await secrets("UpdateSecret", { SecretId, Description: "anders" });
  await secrets("UpdateSecretVersionStage", {
    SecretId,
    VersionStage: "AWSCURRENT",
    RemoveFromVersionId: put.VersionId,
    MoveToVersionId: made.VersionId,
  });
  await secrets("TagResource", { SecretId, Tags: [{ Key: "a", Value: "ä" }] });
  const described = await secrets("DescribeSecret", { SecretId });
  assert.deepEqual(described.Tags, [{ Key: "a", Value: "ä" }]);
  assert.ok(described.LastChangedDate instanceof Date);
  assert.deepEqual(described.VersionIdsToStages[made.VersionId], ["AWSCURRENT"]);
  await secrets("UntagResource", { SecretId, TagKeys: ["a"] });
  const versions = await secrets("ListSecretVersionIds", { SecretId });
  assert.equal(versions.Versions.length, 2);
  await secrets("ListSecrets", {});
  const names = [];
  const paginated = { client: clients.secretsmanager, pageSize: 1 };
  for await (const page of paginateListSecrets(paginated, {})) {
    names.push(...page.SecretList.map((entry) => entry.Name));
  }
  assert.ok(names.includes(SecretId));
  const deleted = await secrets("DeleteSecret", { SecretId });
  assert.ok(deleted.DeletionDate instanceof Date);
  await secrets("RestoreSecret", { SecretId });
  assert.equal((await secrets("GetSecretValue", { SecretId })).SecretString, SecretString);
  assert.equal((await secrets("GetRandomPassword", {})).RandomPassword.length, 32);
});

after(() => {
  const wanted = Object.entries(OFFERED).flatMap(([service, names]) =>
    names.split(/\s+/).map((name) => `${service} ${name} ok`),
  );
  const missing = wanted.filter((entry) => !record.answers.has(entry));
  assert.deepEqual([wanted.length, missing], [50, []]);
  console.log(`javascript: ${wanted.length} operations, ${record.sent} requests sent`);
});
