/** Where in the page somebody is: `#/view` or `#/view/argument`. */

import { Store, useStore } from "./store";

/** A place in the page. */
export interface Place {
  /** The name of the view; empty at the start. */
  readonly view: string;
  /** What the view is about, such as the id of a key. */
  readonly argument: string | undefined;
}

/** The address of a place, for links. */
export function address(view: string, argument?: string): string {
  return argument === undefined ? `#/${view}` : `#/${view}/${encodeURIComponent(argument)}`;
}

/** Goes to a place. */
export function go(view: string, argument?: string): void {
  location.hash = address(view, argument);
}

function read(): Place {
  const [view = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const argument = rest.join("/");
  try {
    return { view, argument: argument === "" ? undefined : decodeURIComponent(argument) };
  } catch {
    // Half an escape: nothing that this page has written.
    return { view, argument: undefined };
  }
}

const place = new Store(read());
addEventListener("hashchange", () => place.set(read()));

/** The place, now and whenever it changes. */
export function usePlace(): Place {
  return useStore(place);
}
