/** Forms, and the fields they are made of. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId } from "preact/hooks";

import { listAliases, type Alias } from "./api";
import { FormError } from "./errors";
import { Store, useStore } from "./store";

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

/** A file of this machine. */
export function FileField(props: {
  label: string;
  hint?: ComponentChildren;
  set: (file: File | undefined) => void;
  required?: boolean;
}) {
  return (
    <Field label={props.label} {...(props.hint !== undefined && { hint: props.hint })}>
      {(ids) => (
        <input
          {...ids}
          type="file"
          required={props.required ?? true}
          onChange={(event) => props.set(event.currentTarget.files?.[0])}
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
