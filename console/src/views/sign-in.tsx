/** Who is it? */

import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { callAs, isDenied } from "../api";
import { Field, Form, Submit } from "../form";
import { useTask } from "../load";
import { signIn } from "../session";
import { ThemeChoice } from "../shell";
import { Failure } from "../ui";

/** Asks for a token, and whether the server takes it. */
export function TokenForm({ name }: { name: string }) {
  const [token, setToken] = useState("");
  const [keep, setKeep] = useState(false);
  const task = useTask();
  const submit = () =>
    task.run(async () => {
      const given = token.trim().replace(/^Bearer\s+/i, "");
      try {
        await callAs(given, "TrentService.ListKeys", { Limit: 1 });
      } catch (error) {
        // A token may well not list keys: that it is refused by name proves it.
        if (!isDenied(error)) throw error;
      }
      signIn(given, keep);
    });
  return (
    <Form submit={() => void submit()}>
      <Field
        label="Token"
        hint={
          <>
            Of your identity provider, or from <code>keyfold token</code> on the server.
          </>
        }
      >
        {(ids) => (
          <input
            {...ids}
            type="password"
            autoComplete="off"
            required
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        )}
      </Field>
      <label class="tick">
        <input
          type="checkbox"
          checked={keep}
          onChange={(event) => setKeep(event.currentTarget.checked)}
        />
        <span>
          Keep it until this tab is closed
          <span class="quiet"> (else until the page is reloaded)</span>
        </span>
      </label>
      <Failure of={task.error} />
      <Submit busy={task.busy}>{name}</Submit>
    </Form>
  );
}

export function SignIn() {
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    document.title = "Sign in · keyfold";
    heading.current?.focus();
  }, []);
  return (
    <main class="sign-in">
      <div class="card">
        <p class="brand">keyfold</p>
        <h1 ref={heading} tabIndex={-1}>
          Sign in
        </h1>
        <TokenForm name="Sign in" />
      </div>
      <ThemeChoice />
    </main>
  );
}
