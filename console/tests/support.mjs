/** A server of a test's own, and what every page must keep to. */

import { Server } from "./web/server.mjs";

/** A server with the console. */
export class ConsoleServer extends Server {
  async prepare() {
    return ["--log-level", "debug"];
  }

  get console() {
    return `${this.url}/console/`;
  }

  /** A token that may do everything, unless options say less. */
  token(...options) {
    const subject = options.includes("--subject") ? [] : ["--subject", "console"];
    return this.keyfold("token", ...subject, ...options);
  }

  /** Calls an operation; answers its status. */
  async call(token, target, body = {}) {
    const headers = {
      authorization: `Bearer ${token}`,
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": target,
    };
    const response = await fetch(this.url, { method: "POST", headers, body: JSON.stringify(body) });
    return response.status;
  }
}

/** Runs in every page before anything else: sums up shifts and what the policy refused. */
export const WATCH = `
  window.watched = { shift: 0, refused: [] };
  addEventListener("securitypolicyviolation", (event) => {
    window.watched.refused.push(event.violatedDirective + " " + event.blockedURI);
  });
  if (PerformanceObserver.supportedEntryTypes.includes("layout-shift")) {
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        if (!entry.hadRecentInput) window.watched.shift += entry.value;
      }
    }).observe({ type: "layout-shift", buffered: true });
  }
`;

/** The longest that the page may move by itself: Google's "good" is 0.1. */
export const MAX_SHIFT = 0.02;
