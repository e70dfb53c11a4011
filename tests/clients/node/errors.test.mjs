// Every refusal that tests/clients/python/errors.py knows, through the AWS SDK for JavaScript:
// its name, its class, its status, and that nothing is sent twice.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";

import { call, modules, record } from "./clients.mjs";

// The SDK takes this one for a temporary state and asks again, twice.
const RETRIED = { LimitExceededException: 3 };

const refusals = JSON.parse(readFileSync(process.env.KEYFOLD_REFUSALS, "utf8"));

/** `{"base64": …}` as bytes, at any depth. */
function revive(value) {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.base64 === "string") return Buffer.from(value.base64, "base64");
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, revive(inner)]));
}

let count = 0;
const classes = new Set();

for (const [service, operation, name, request] of refusals) {
  test(`${operation}: ${name}`, async () => {
    const before = record.sent;
    let error;
    try {
      await call(service, operation, revive(request));
    } catch (raised) {
      error = raised;
    }
    assert.ok(error, "it was not refused");
    assert.equal(error.name, name, error.message);
    // Names that no model lists have no class.
    const known = modules[service][name];
    assert.ok(known === undefined || error instanceof known, `not of the class ${name}`);
    classes.add(known === undefined ? undefined : name);
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.match(error.$metadata.requestId, /^[0-9a-f-]{36}$/);
    assert.equal(record.sent - before, RETRIED[name] ?? 1, "how often it was sent");
    assert.ok(error.message);
    count += 1;
  });
}

after(() => {
  classes.delete(undefined);
  console.log(`javascript: ${count} refusals of ${refusals.length}, ${classes.size} classes`);
});
