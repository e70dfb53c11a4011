/** keyfold's own server, as the tests in JavaScript start it. */

import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What the environment has to name; `cargo xtask test` sets it. */
export function given(variable) {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set: cargo xtask test sets it`);
  return value;
}

/** `keyfold serve`, in a home of its own, on a free port of this machine. */
export class Server {
  /** Starts one; what it takes is for {@link prepare}. */
  static async start(...options) {
    const server = new this();
    server.home = await mkdtemp(join(tmpdir(), "keyfold-web-"));
    await server.keyfold("init");
    const words = await server.prepare(...options);
    server.process = spawn(
      given("KEYFOLD_COMMAND"),
      ["serve", "--listen", "127.0.0.1:0", ...words],
      { env: server.environment(), stdio: ["ignore", "pipe", "pipe"] },
    );
    server.log = "";
    server.process.stderr.on("data", (text) => (server.log += text));
    for await (const line of createInterface(server.process.stdout)) {
      server.url = line.replace(/^listening on /, "");
      break;
    }
    if (!server.url) throw new Error(`the server does not start: ${server.log}`);
    return server;
  }

  /** Makes the store ready; answers further words of the command. */
  async prepare() {
    return [];
  }

  environment() {
    return { ...process.env, KEYFOLD_HOME: this.home };
  }

  /** Runs the command line, on the same store; answers what it prints. */
  async keyfold(...words) {
    const options = { env: this.environment(), maxBuffer: 1 << 26 };
    return (await run(given("KEYFOLD_COMMAND"), words, options)).stdout.trim();
  }

  async stop() {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGTERM");
    const code = await ended;
    await rm(this.home, { recursive: true, force: true });
    if (code !== 0) throw new Error(`the server ended with ${code}: ${this.log}`);
  }
}
