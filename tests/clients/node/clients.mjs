// Clients of the server under test, and a record of what they were answered. Address and
// credentials come from the environment, where the SDK looks for them.

import * as kms from "@aws-sdk/client-kms";
import * as secrets from "@aws-sdk/client-secrets-manager";

export const modules = { kms, secretsmanager: secrets };

/** How often anything was sent, and every pair of operation and answer. */
export const record = { sent: 0, answers: new Set() };

const credentials = {
  accessKeyId: process.env.AWS_ACCESS_KEY_ID,
  secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY,
};

function watched(service, client) {
  // After the retry middleware: once for every request on the wire.
  client.middlewareStack.add(
    (next) => async (args) => {
      record.sent += 1;
      return next(args);
    },
    { step: "finalizeRequest", priority: "low" },
  );
  const send = client.send.bind(client);
  client.send = async (command) => {
    const operation = command.constructor.name.replace(/Command$/, "");
    try {
      const answer = await send(command);
      record.answers.add(`${service} ${operation} ok`);
      return answer;
    } catch (error) {
      record.answers.add(`${service} ${operation} ${error.name}`);
      throw error;
    }
  };
  return client;
}

export const clients = {
  kms: watched("kms", new kms.KMSClient({ credentials })),
  secretsmanager: watched("secretsmanager", new secrets.SecretsManagerClient({ credentials })),
};

/** Sends one operation by its name on the wire. */
export function call(service, operation, input = {}) {
  return clients[service].send(new modules[service][`${operation}Command`](input));
}
