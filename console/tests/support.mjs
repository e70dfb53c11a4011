/** A server of a test's own, and what every page must keep to. */

import { spawn, execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What the environment has to name; `cargo xtask test --only console` sets it. */
export function given(variable) {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set: cargo xtask test --only console sets it`);
  return value;
}

/** `keyfold serve`, in a home of its own, on a free port of this machine. */
export class Server {
  static async start() {
    const server = new Server();
    server.home = await mkdtemp(join(tmpdir(), "keyfold-console-"));
    await server.keyfold("init");
    server.process = spawn(
      given("KEYFOLD_COMMAND"),
      ["serve", "--listen", "127.0.0.1:0", "--log-level", "debug"],
      { env: server.environment(), stdio: ["ignore", "pipe", "pipe"] },
    );
    server.log = "";
    server.process.stderr.on("data", (text) => (server.log += text));
    for await (const line of createInterface(server.process.stdout)) {
      server.url = line.replace(/^listening on /, "");
      break;
    }
    if (!server.url) throw new Error(`the server does not start: ${server.log}`);
    server.console = `${server.url}/console/`;
    return server;
  }

  environment() {
    return { ...process.env, KEYFOLD_HOME: this.home };
  }

  /** Runs the command line, on the same store; answers what it prints. */
  async keyfold(...words) {
    const options = { env: this.environment(), maxBuffer: 1 << 26 };
    return (await run(given("KEYFOLD_COMMAND"), words, options)).stdout.trim();
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

  async stop() {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGTERM");
    const code = await ended;
    await rm(this.home, { recursive: true, force: true });
    if (code !== 0) throw new Error(`the server ended with ${code}: ${this.log}`);
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
