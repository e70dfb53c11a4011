/** Whole messages in memory, under a data key that is cached where the library can do that. */

import { effort, inTurns, random, same } from "./harness.js";

/**
 * Measures the peers, which are asynchronous functions by name: given a message they answer
 * `{ encrypt, decrypt }` without arguments, and `end` where something has to be ended.
 *
 * Answers the median seconds of a call by direction and name.
 */
export async function measure(peers, size, quick) {
  const plain = random(size);
  const known = {};
  for (const [name, peer] of Object.entries(peers)) {
    known[name] = await peer(plain);
    const opened = await known[name].decrypt();
    // Workers of the bare cipher keep what they make.
    if (!name.includes("alone")) same(name, opened, plain);
  }
  const found = {};
  for (const direction of ["encrypt", "decrypt"]) {
    const calls = Object.entries(known).map(([name, peer]) => [name, peer[direction]]);
    found[direction] = await inTurns(Object.fromEntries(calls), effort(quick, size));
  }
  for (const peer of Object.values(known)) peer.end?.();
  return found;
}
