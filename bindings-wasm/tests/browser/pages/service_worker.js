/** A service worker. */

import { answer } from "./answer.js";

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("message", (event) => {
  const [port] = event.ports;
  event.waitUntil(answer(event.data, (settled) => port.postMessage(settled)));
});
