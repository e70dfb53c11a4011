/** The pieces that views are made of. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

import { tell } from "./errors";
import { Store, useStore } from "./store";

const spoken = new Store("");

/** Says something to those who do not see it. */
export function say(text: string): void {
  // The same text twice is not read twice, but for a space.
  spoken.set(spoken.get() === text ? `${text} ` : text);
}

/** Where {@link say} speaks. */
export function Voice() {
  return (
    <div class="unseen" role="status" aria-live="polite">
      {useStore(spoken)}
    </div>
  );
}

/** What went wrong; nothing where nothing did. */
export function Failure({ of }: { of: unknown }) {
  if (of === undefined) return null;
  const { code, words, detail, requestId } = tell(of);
  return (
    <div class="failure" role="alert">
      <p>
        {words} <code>{code}</code>
      </p>
      {detail && detail !== code && <p class="quiet">{detail}</p>}
      {requestId && (
        <p class="quiet">
          Request <code>{requestId}</code>
        </p>
      )}
    </div>
  );
}

/** A view: its heading, which gets the focus when somebody comes, and what it is for. */
export function View(props: {
  title: string;
  back?: { to: string; name: string };
  lead?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <>
      <header class="view-head">
        <div>
          {props.back && (
            <p class="back">
              <a href={props.back.to}>← {props.back.name}</a>
            </p>
          )}
          <h1 tabIndex={-1}>{props.title}</h1>
          {props.lead && <p class="lead">{props.lead}</p>}
        </div>
        {props.actions && <div class="actions">{props.actions}</div>}
      </header>
      {props.children}
    </>
  );
}

/** Copies a text. */
export function Copy({ text, name = "Copy" }: { text: string; name?: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 2000);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    say("Copied");
  };
  return (
    <button type="button" class="small" onClick={() => void copy().catch(() => say("Not copied"))}>
      {done ? "Copied" : name}
    </button>
  );
}

/** A question that stops everything else. One whose `close` keeps it there stays. */
export function Dialog(props: {
  title: string;
  close: () => void;
  children: ComponentChildren;
  danger?: boolean;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  const close = useRef(props.close);
  close.current = props.close;
  useLayoutEffect(() => {
    const element = dialog.current;
    if (!element) return;
    const before = document.activeElement;
    // The browser closes it by itself where somebody insists.
    const closed = () => {
      close.current();
      requestAnimationFrame(() => element.isConnected && !element.open && element.showModal());
    };
    element.showModal();
    element.addEventListener("close", closed);
    return () => {
      element.removeEventListener("close", closed);
      element.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={title}
      class={props.danger ? "danger" : undefined}
      onCancel={(event) => {
        event.preventDefault();
        props.close();
      }}
    >
      <h2 id={title}>{props.title}</h2>
      {props.children}
    </dialog>
  );
}

/** A table that scrolls by itself where it is too wide. */
export function Table(props: {
  name: string;
  head: readonly string[];
  children: ComponentChildren;
}) {
  return (
    <div class="table" role="region" aria-label={props.name} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {props.head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </div>
  );
}

/** Where in a list of many pages somebody is. */
export interface Pages {
  /** What the page that is shown begins after; nothing for the first. */
  readonly marker: string | undefined;
  readonly first: boolean;
  later(next: string): void;
  earlier(): void;
  restart(): void;
}

export function usePages(): Pages {
  const [markers, set] = useState<string[]>([]);
  return {
    marker: markers.at(-1),
    first: markers.length === 0,
    later: (next) => set([...markers, next]),
    earlier: () => set(markers.slice(0, -1)),
    restart: () => set([]),
  };
}

/** The way between pages, where there is more than one. */
export function Pager({ pages, next }: { pages: Pages; next: string | undefined }) {
  if (pages.first && !next) return null;
  return (
    <p class="pages">
      <button type="button" disabled={pages.first} onClick={pages.earlier}>
        Earlier
      </button>
      <button type="button" disabled={!next} onClick={() => next && pages.later(next)}>
        Later
      </button>
    </p>
  );
}

/** What stands where nothing is yet. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p>
        <strong>{title}</strong>
      </p>
      {children}
    </div>
  );
}

/** Names and what they stand for. */
export function Facts({ rows }: { rows: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A file out of the page, under a name. */
export function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
