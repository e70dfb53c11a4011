/** Node: messages in this process, files in processes of their own. */

import { execFile } from "node:child_process";
import { access, mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { median, random } from "./harness.js";
import { measure as measureMessages } from "./messages.js";
import * as age from "./peers/age.js";
import * as keyfold from "./peers/keyfold.js";
import * as noble from "./peers/noble.js";
import * as nodecrypto from "./peers/nodecrypto.js";
import * as webcrypto from "./peers/webcrypto.js";
import { human } from "./report.js";

const run = promisify(execFile);
const AWS = "@aws-crypto/client-node";
const CIPHER = "node:crypto";

export async function measure(args, report) {
  const aws = pathToFileURL(join(args.work, "aws-node", "peer.js")).href;
  await messages(await import(aws), args, report);
  const here = (name) => new URL(`peers/${name}.js`, import.meta.url).href;
  const peers = {
    keyfold: here("keyfold_files"),
    [CIPHER]: here("nodecrypto"),
    [AWS]: aws,
    "age-encryption": here("age_files"),
  };
  await files(peers, args, report);
}

async function messages(aws, { quick }, report) {
  for (const size of [1 << 10, 1 << 20]) {
    console.log(`Node: messages of ${human(size)}`);
    const peers = {
      keyfold: keyfold.messages(),
      [CIPHER]: nodecrypto.messages,
      "WebCrypto, 1 in flight": webcrypto.messages(1),
      ...(size > 1 << 10 ? { "WebCrypto, 8 in flight": webcrypto.messages(8) } : {}),
      [AWS]: (plain) => aws.messages(plain),
      // Large frames suit it better in Node; nothing of one comes out before all of it is there.
      ...(size > 1 << 10
        ? { [`${AWS}, one frame`]: (plain) => aws.messages(plain, plain.length) }
        : {}),
      "@noble/ciphers": noble.messages,
      "age-encryption": age.messages,
    };
    const found = await measureMessages(peers, size, quick);
    for (const [direction, seconds] of Object.entries(found)) {
      report.times({ case: "Node", size, direction }, seconds, CIPHER);
      const what = `Node, ${human(size)} ${direction}`;
      if (size > 1 << 10) report.floor(what, size / seconds.keyfold / 1e6, 1500, "MB/s");
      else report.floor(what, 1 / seconds.keyfold, 50_000, "/s");
    }
  }
}

async function files(peers, { quick }, report) {
  const size = quick ? 64 << 20 : 2 ** 30;
  const rounds = quick ? 1 : 5;
  const folder = await mkdtemp(join(await place(), "keyfold-bench-"));
  try {
    console.log(`Node: making ${human(size)} in ${folder}`);
    const plain = join(folder, "plain");
    await makeFile(plain, size);
    const secrets = {};
    for (const [name, module] of Object.entries(peers)) {
      secrets[name] = await (await import(module)).makeSecret(folder);
    }
    for (const direction of ["encrypt", "decrypt"]) {
      const costs = Object.fromEntries(Object.keys(peers).map((name) => [name, []]));
      for (let round = 0; round < rounds; round += 1) {
        for (const [name, module] of Object.entries(peers)) {
          const number = Object.keys(peers).indexOf(name);
          const sealed = join(folder, `sealed-${number}`);
          const out = direction === "encrypt" ? sealed : join(folder, "out");
          const source = direction === "encrypt" ? plain : sealed;
          await rm(out, { force: true });
          const words = [module, direction, source, out, secrets[name]];
          const program = new URL("file.js", import.meta.url).pathname;
          costs[name].push(JSON.parse((await run(process.execPath, [program, ...words])).stdout));
          if (direction === "decrypt" && (await stat(out)).size !== size) {
            throw new Error(`${name} has not given the file back`);
          }
        }
      }
      tell(costs, size, direction, report);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

function tell(costs, size, direction, report) {
  const about = { case: "Node file", size, direction };
  const seconds = Object.fromEntries(
    Object.entries(costs).map(([name, runs]) => [name, median(runs.map((run) => run.seconds))]),
  );
  for (const [subject, own] of Object.entries(seconds)) {
    const to = subject === "keyfold" ? CIPHER : "keyfold";
    const common = { ...about, subject, ratio: seconds[to] / own, ratio_to: to };
    report.row({ ...common, metric: "throughput", value: size / own / 1e6, unit: "MB/s" });
  }
  for (const [subject, runs] of Object.entries(costs)) {
    // The most of all runs: a limit holds for each.
    const peak = Math.max(...runs.map((run) => run.peak)) / (1 << 20);
    report.row({ ...about, subject, metric: "peak memory", value: peak, unit: "MiB" });
    if (subject === "keyfold") {
      const what = `Node, ${human(size)} file ${direction}`;
      report.floor(what, size / seconds.keyfold / 1e6, 800, "MB/s");
      report.floor(`${what}, peak memory`, peak, 120, "MiB", false);
    }
  }
}

/** In memory where the system has such a place: a disk is not what is measured. */
async function place() {
  return access("/dev/shm").then(
    () => "/dev/shm",
    () => tmpdir(),
  );
}

async function makeFile(path, size) {
  const file = await open(path, "w");
  for (let at = 0; at < size; at += 1 << 20) await file.write(random(1 << 20));
  await file.close();
}
