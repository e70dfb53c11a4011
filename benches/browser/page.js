/** What runs in a page: the suite's driver calls `measure` with the names of peers. */

import { measure } from "./messages.js";
import * as age from "./peers/age.js";
import * as keyfold from "./peers/keyfold.js";
import * as noble from "./peers/noble.js";
import * as webcrypto from "./peers/webcrypto.js";
import * as aws from "@peer/aws-browser";

const PEERS = {
  keyfold: keyfold.messages(),
  "keyfold, 2 workers": keyfold.messages(2),
  "WebCrypto, 1 in flight": webcrypto.messages(1),
  "WebCrypto, 8 in flight": webcrypto.messages(8),
  "WebCrypto, alone in 1 worker": webcrypto.alone(1),
  "WebCrypto, alone in 2 workers": webcrypto.alone(2),
  "@aws-crypto/client-browser": aws.messages,
  "@noble/ciphers": noble.messages,
  "age-encryption": age.messages,
};

globalThis.bench = {
  peers: Object.keys(PEERS),
  measure: (names, size, quick) =>
    measure(Object.fromEntries(names.map((name) => [name, PEERS[name]])), size, quick),
};
