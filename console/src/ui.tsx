/** The pieces that views are made of. */

import type { ComponentChildren, JSX } from "preact";
import { useCallback, useEffect, useId, useRef, useState } from "preact/hooks";

import { listAliases, type Alias } from "./api";
import { FormError, isCancelled, tell } from "./errors";
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

/** Something that is loaded, and again when what it depends on changes. */
export interface Loaded<T> {
  readonly value: T | undefined;
  readonly error: unknown;
  readonly busy: boolean;
  reload(): void;
}

export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, on: unknown[]): Loaded<T> {
  const [turn, setTurn] = useState(0);
  const [found, setFound] = useState<{ value?: T; error?: unknown; busy: boolean }>({ busy: true });
  useEffect(() => {
    const end = new AbortController();
    setFound((before) => (turn === 0 ? { busy: true } : { ...before, busy: true }));
    load(end.signal).then(
      (value) => end.signal.aborted || setFound({ value, busy: false }),
      (error: unknown) => end.signal.aborted || setFound({ error, busy: false }),
    );
    return () => end.abort();
  }, [turn, ...on]);
  const reload = useCallback(() => setTurn((turn) => turn + 1), []);
  return { value: found.value, error: found.error, busy: found.busy, reload };
}

/** Something that somebody sets going. */
export interface Task {
  readonly busy: boolean;
  readonly error: unknown;
  /** Does it, unless it is being done; answers whether it was done. */
  run(work: () => Promise<void>): Promise<boolean>;
  clear(): void;
}

export function useTask(): Task {
  const [now, setNow] = useState<{ busy: boolean; error?: unknown }>({ busy: false });
  const busy = useRef(false);
  const run = useCallback(async (work: () => Promise<void>) => {
    if (busy.current) return false;
    busy.current = true;
    setNow({ busy: true });
    try {
      await work();
      setNow({ busy: false });
      return true;
    } catch (error) {
      setNow({ busy: false, error: isCancelled(error) ? undefined : error });
      return false;
    } finally {
      busy.current = false;
    }
  }, []);
  const clear = useCallback(() => setNow((now) => ({ busy: now.busy })), []);
  return { ...now, error: now.error, run, clear };
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

/** What a control is called, and what helps to fill it in. */
export function Field(props: {
  label: string;
  hint?: ComponentChildren;
  children: (ids: { id: string; "aria-describedby": string | undefined }) => ComponentChildren;
}) {
  const id = useId();
  const hint = props.hint === undefined ? undefined : `${id}-hint`;
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      {props.children({ id, "aria-describedby": hint })}
      {hint && (
        <p class="hint" id={hint}>
          {props.hint}
        </p>
      )}
    </div>
  );
}

type Inputs = Omit<JSX.InputHTMLAttributes<HTMLInputElement>, "value" | "onInput" | "label">;

/** A line of text. */
export function TextField({
  label,
  hint,
  value,
  set,
  ...rest
}: {
  label: string;
  hint?: ComponentChildren;
  value: string;
  set: (value: string) => void;
} & Inputs) {
  return (
    <Field label={label} {...(hint !== undefined && { hint })}>
      {(ids) => (
        <input
          {...ids}
          type="text"
          autoComplete="off"
          spellcheck={false}
          {...rest}
          value={value}
          onInput={(event) => set(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** Lines of text. */
export function AreaField(props: {
  label: string;
  hint?: ComponentChildren;
  value: string;
  set?: (value: string) => void;
  rows?: number;
  code?: boolean;
  required?: boolean;
}) {
  const { set } = props;
  return (
    <Field label={props.label} {...(props.hint !== undefined && { hint: props.hint })}>
      {(ids) => (
        <textarea
          {...ids}
          class={props.code ? "code" : undefined}
          rows={props.rows ?? 5}
          spellcheck={false}
          autoComplete="off"
          required={props.required}
          readOnly={!set}
          value={props.value}
          onInput={set && ((event) => set(event.currentTarget.value))}
        />
      )}
    </Field>
  );
}

/** One of a few. */
export function SelectField(props: {
  label: string;
  hint?: ComponentChildren;
  value: string;
  set: (value: string) => void;
  options: readonly (readonly [value: string, name: string])[];
}) {
  return (
    <Field label={props.label} {...(props.hint !== undefined && { hint: props.hint })}>
      {(ids) => (
        <select
          {...ids}
          value={props.value}
          onChange={(event) => props.set(event.currentTarget.value)}
        >
          {props.options.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** One of two or three, all of them seen. */
export function Choice<T extends string>(props: {
  label: string;
  value: T;
  set: (value: T) => void;
  options: readonly (readonly [value: T, name: string])[];
}) {
  const name = useId();
  return (
    <fieldset class="choice">
      <legend>{props.label}</legend>
      {props.options.map(([value, text]) => (
        <label key={value}>
          <input
            type="radio"
            name={name}
            value={value}
            checked={props.value === value}
            onChange={() => props.set(value)}
          />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** The aliases of the store, for those who may list them. */
const aliases = new Store<Alias[] | undefined>(undefined);

export function forgetAliases(): void {
  aliases.set(undefined);
}

/** The name of a key, with the aliases that there are. */
export function KeyField(props: {
  label?: string;
  hint?: ComponentChildren;
  value: string;
  set: (value: string) => void;
  required?: boolean;
}) {
  const list = useId();
  const known = useStore(aliases);
  useEffect(() => {
    // Who may not list them writes the name.
    if (known === undefined)
      listAliases().then(
        (found) => aliases.set(found),
        () => {},
      );
  }, [known === undefined]);
  return (
    <>
      <TextField
        label={props.label ?? "Key"}
        hint={props.hint ?? "An alias, a key id or an ARN."}
        value={props.value}
        set={props.set}
        list={list}
        required={props.required ?? true}
        placeholder={props.required === false ? "" : "alias/…"}
      />
      <datalist id={list}>
        {known?.map((alias) => (
          <option key={alias.AliasName} value={alias.AliasName} />
        ))}
      </datalist>
    </>
  );
}

/** Pairs of an encryption context, in the order in which they were written. */
export type Pairs = readonly (readonly [name: string, value: string])[];

/** Pairs as the package takes them; those without a name are none. */
export function contextOf(pairs: Pairs): Record<string, string> {
  const named = pairs.filter(([name]) => name !== "");
  const context = Object.fromEntries(named);
  if (Object.keys(context).length < named.length) {
    throw new FormError("a name stands twice in the encryption context");
  }
  return context;
}

/** An encryption context. */
export function ContextField({ pairs, set }: { pairs: Pairs; set: (pairs: Pairs) => void }) {
  const put = (at: number, pair: readonly [string, string]) =>
    set(pairs.map((old, index) => (index === at ? pair : old)));
  return (
    <fieldset class="context">
      <legend>Encryption context</legend>
      <p class="hint">
        Public pairs that are bound to what is encrypted; whoever decrypts has to name them again.
      </p>
      {pairs.map(([name, value], at) => (
        <div class="pair" key={at}>
          <input
            type="text"
            aria-label={`Name of pair ${at + 1}`}
            placeholder="name"
            autoComplete="off"
            value={name}
            onInput={(event) => put(at, [event.currentTarget.value, value])}
          />
          <input
            type="text"
            aria-label={`Value of pair ${at + 1}`}
            placeholder="value"
            autoComplete="off"
            value={value}
            onInput={(event) => put(at, [name, event.currentTarget.value])}
          />
          <button
            type="button"
            class="plain"
            aria-label={`Remove pair ${at + 1}`}
            onClick={() => set(pairs.filter((_, index) => index !== at))}
          >
            ×
          </button>
        </div>
      ))}
      <button type="button" class="small" onClick={() => set([...pairs, ["", ""]])}>
        Add a pair
      </button>
    </fieldset>
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
  useEffect(() => {
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

/** A form that this page handles itself. */
export function Form(props: { submit: () => void; class?: string; children: ComponentChildren }) {
  return (
    <form
      class={props.class ?? "form"}
      onSubmit={(event) => {
        event.preventDefault();
        props.submit();
      }}
    >
      {props.children}
    </form>
  );
}

/** The button of a form. */
export function Submit(props: { busy: boolean; children: ComponentChildren; danger?: boolean }) {
  return (
    <button
      type="submit"
      class={props.danger ? "main danger" : "main"}
      aria-disabled={props.busy}
      aria-busy={props.busy}
    >
      {props.children}
    </button>
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
