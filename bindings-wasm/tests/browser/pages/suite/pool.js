/** A pool of workers gives what one thread gives. */

import { check, client, equal, random, refused, sameBytes } from "./check.js";

/** A worker that counts what it is given, and says when it is ready. */
class Counted {
  static async make(make) {
    const counted = new Counted();
    counted.worker = make();
    counted.jobs = 0;
    const post = counted.worker.postMessage.bind(counted.worker);
    counted.worker.postMessage = (message, transfer) => {
      if (message.keyfold === "run") {
        counted.jobs += 1;
        equal(message.key.extractable, false, "a key that a worker gets can be read");
      }
      post(message, transfer);
    };
    counted.ready = new Promise((resolve, reject) => {
      counted.worker.addEventListener("error", reject);
      counted.worker.addEventListener("message", ({ data }) => {
        if (data.keyfold === "hello") resolve();
      });
    });
    return counted;
  }
}

export async function pool({ makeWorker, ...server }) {
  const crew = await Promise.all([Counted.make(makeWorker), Counted.make(makeWorker)]);
  const workers = crew.map(({ worker }) => worker);
  const kf = await client(server, { workers });
  await Promise.all(crew.map(({ ready }) => ready));
  const alone = await client(server);

  const given = () => crew.map(({ jobs }) => jobs);
  await kf.decrypt(await kf.encrypt(random(500_000)));
  equal(String(given()), "0,0", "what is smaller than a share");
  for (const size of [1 << 20, 5_000_001, 40_000_000]) {
    const plain = random(size);
    const sealed = await kf.encrypt(plain);
    sameBytes(await alone.decrypt(sealed), plain, "sealed by workers");
    sameBytes(await kf.decrypt(sealed), plain, "opened by workers");
    sealed[sealed.length >> 1] ^= 1;
    await refused(() => kf.decrypt(sealed), "authentication_failed", "changed");
  }
  check(
    given().every((jobs) => jobs > 50),
    `shares of each: ${given()}`,
  );

  const before = given();
  const plain = random(20_000_000);
  const sealed = new Blob([plain]).stream().pipeThrough(kf.sealStream());
  const opened = sealed.pipeThrough(kf.openStream());
  sameBytes(new Uint8Array(await new Response(opened).arrayBuffer()), plain, "streams");
  check(
    given().some((jobs, at) => jobs > before[at]),
    "streams use the workers",
  );

  const stop = new AbortController();
  const onProgress = () => stop.abort();
  const long = () => kf.encrypt(random(40_000_000), { signal: stop.signal, onProgress });
  await refused(long, "cancelled", "midway");

  // A worker that fails takes no part any more, and nothing else changes.
  workers[0].dispatchEvent(new ErrorEvent("error"));
  const [first] = given();
  const whole = random(5_000_000);
  sameBytes(await kf.decrypt(await kf.encrypt(whole)), whole, "with one worker less");
  equal(given()[0], first, "shares of a worker that failed");
  for (const worker of workers) worker.terminate();
  kf.dispose();
  alone.dispose();
}

/** A worker that runs something else is never given anything. */
export async function strangers(server) {
  const said = [];
  const stranger = {
    postMessage: (message) => said.push(message.keyfold),
    addEventListener: () => undefined,
  };
  const kf = await client(server, { workers: [stranger] });
  const plain = random(2_000_000);
  sameBytes(await kf.decrypt(await kf.encrypt(plain)), plain, "on this thread");
  equal(String(said), "hello", "what it was told");
}
