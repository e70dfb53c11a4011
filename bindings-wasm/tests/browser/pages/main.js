/** A page: its suite is called by the tests, here, in a worker, and in the service worker. */

import { suite } from "./suite.js";

const refused = [];
addEventListener("securitypolicyviolation", (event) => {
  refused.push(`${event.violatedDirective} ${event.blockedURI}`);
});

/** Performs a function of the suite; `where` is `page`, `worker` or `service worker`. */
async function perform(where, name, args) {
  if (where === "page") return suite[name](name === "pool" ? { ...args, makeWorker } : args);
  return where === "worker" ? inWorker(name, args) : inServiceWorker(name, args);
}

function makeWorker() {
  return new Worker(new URL("./pool_worker.js", import.meta.url), { type: "module" });
}

async function inWorker(name, args) {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  try {
    return await new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(`the worker failed: ${event.message}`));
      worker.onmessage = ({ data }) => settle(data, resolve, reject);
      worker.postMessage({ name, args });
    });
  } finally {
    worker.terminate();
  }
}

async function inServiceWorker(name, { script, type, ...args }) {
  const registration = await navigator.serviceWorker.register(script, { type, scope: "/" });
  await navigator.serviceWorker.ready;
  const { port1, port2 } = new MessageChannel();
  try {
    return await new Promise((resolve, reject) => {
      port1.onmessage = ({ data }) => settle(data, resolve, reject);
      registration.active.postMessage({ name, args }, [port2]);
    });
  } finally {
    await registration.unregister();
  }
}

function settle({ answer, error }, resolve, reject) {
  if (error === undefined) resolve(answer);
  else reject(new Error(error));
}

globalThis.page = { perform, refused };
