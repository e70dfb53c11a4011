/** Keys and context of a call, in the words that the module reads. */

import { text } from "./bytes.js";
import { ContextContains } from "./context.js";
import { type Handle, type glue } from "./engine.js";
import { KeyfoldError } from "./errors.js";
import type { Context, ContextDemand, Keys, Suite } from "./types.js";

/** What a call may say. */
export interface Said {
  readonly keys: Keys | undefined;
  readonly context: ContextDemand | undefined;
  readonly suite?: Suite | undefined;
  readonly suites?: readonly Suite[] | undefined;
}

function key(value: unknown): string {
  return text(value, "a key URI");
}

function keyWords(keys: Keys | undefined): string[] {
  if (keys === undefined) return [];
  if (typeof keys === "string") return ["wrap", key(keys)];
  const words: string[] = [];
  const each = (word: string, named: readonly string[] | undefined): void => {
    for (const name of named ?? []) words.push(word, key(name));
  };
  if (isList(keys)) {
    each("wrap", keys);
  } else if ("generate" in keys) {
    words.push("wrap", key(keys.generate));
    each("wrap", keys.alsoWrap);
    each("unwrap", keys.alsoUnwrap);
    if (keys.bindOnly) words.push("bound");
    each("bind", keys.bindOnly);
  } else if ("unwrap" in keys) {
    each("unwrap", keys.unwrap);
  } else if ("discover" in keys) {
    words.push("discover", key(keys.discover));
  } else {
    throw new KeyfoldError("invalid_argument", "keys are a key URI, several, or a keyring");
  }
  return words;
}

function isList(keys: Keys): keys is readonly string[] {
  return Array.isArray(keys);
}

function words(said: Said): string[] {
  const list = keyWords(said.keys);
  let context: Context = {};
  if (said.context instanceof ContextContains) {
    context = said.context.pairs;
    list.push("contains");
  } else if (said.context) {
    context = said.context;
  }
  if (typeof context !== "object" || context === null) {
    throw new KeyfoldError("invalid_argument", "a context is an object of texts");
  }
  for (const [name, value] of Object.entries(context)) {
    list.push("pair", text(name, "a context name"), text(value, "a context value"));
  }
  if (said.suite !== undefined) list.push("suite", said.suite);
  if (said.suites) list.push("accepting");
  for (const suite of said.suites ?? []) list.push("accept", suite);
  return list;
}

/** Numbers of what was said before: most calls say what another said. */
export class Specs {
  readonly #client: Handle<glue.Client>;
  readonly #numbers = new Map<string, number>();

  constructor(client: Handle<glue.Client>) {
    this.#client = client;
  }

  /** The number that the module knows it by. */
  number(said: Said): number {
    const list = words(said);
    const name = JSON.stringify(list);
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    if (this.#numbers.size >= 256) {
      const [oldest] = this.#numbers;
      if (oldest) {
        this.#numbers.delete(oldest[0]);
        this.#client.use((client) => client.forget(oldest[1]));
      }
    }
    const made = this.#client.use((client) => client.spec(list));
    this.#numbers.set(name, made);
    return made;
  }
}
