/** The frame around all views: who is signed in, where to go, light and dark. */

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

import { forgetFiles } from "./jobs";
import { forget } from "./keyfold";
import { address, usePlace } from "./router";
import * as session from "./session";
import { useStore } from "./store";
import { choose, theme, type Theme } from "./theme";
import { forgetAliases } from "./form";
import { Dialog, Voice } from "./ui";
import { Audit } from "./views/audit";
import { Data } from "./views/data";
import { Files } from "./views/files";
import { Inspect } from "./views/inspect";
import { Key } from "./views/key";
import { Keys, NewKey } from "./views/keys";
import { Range } from "./views/range";
import { Safe, NewSecret } from "./views/safe";
import { Secret } from "./views/secret";
import { Sign } from "./views/sign";
import { SignIn, TokenForm } from "./views/sign-in";

const VIEWS = [
  ["keys", "Keys"],
  ["data", "Small data"],
  ["files", "Files"],
  ["range", "Range"],
  ["inspect", "Inspect"],
  ["sign", "Sign and verify"],
  ["safe", "Safe"],
  ["audit", "Audit log"],
] as const;

/** Views that are part of another one. */
const PARTS: Record<string, string> = { "new-key": "keys", "new-secret": "safe" };

function view(name: string, argument: string | undefined) {
  switch (name) {
    case "data":
      return <Data />;
    case "files":
      return <Files />;
    case "range":
      return <Range />;
    case "inspect":
      return <Inspect />;
    case "sign":
      return <Sign />;
    case "safe":
      return argument === undefined ? <Safe /> : <Secret key={argument} name={argument} />;
    case "new-secret":
      return <NewSecret />;
    case "audit":
      return <Audit />;
    case "new-key":
      return <NewKey />;
    default:
      return argument === undefined ? <Keys /> : <Key key={argument} id={argument} />;
  }
}

/** The whole page. */
export function Shell() {
  const now = useStore(session.state);
  const out = now.kind === "out";
  useEffect(() => {
    if (!out) return;
    forget();
    forgetAliases();
    forgetFiles();
  }, [out]);
  return (
    <>
      {out ? <SignIn /> : <Frame now={now} />}
      {now.kind === "lost" && <Lost />}
      <Voice />
    </>
  );
}

function Frame({ now }: { now: Exclude<session.State, { kind: "out" }> }) {
  const place = usePlace();
  const main = useRef<HTMLElement>(null);
  const nav = useRef<HTMLElement>(null);
  const current = VIEWS.find(([name]) => name === (PARTS[place.view] ?? place.view)) ?? VIEWS[0];
  useLayoutEffect(() => {
    document.title = `${current[1]} · keyfold`;
    // Whoever came by a link goes on from the heading of what they came to.
    main.current?.querySelector("h1")?.focus();
    scrollTo(0, 0);
    nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }, [place.view, place.argument]);
  const { subject, expires } = now.session;
  return (
    <div class="frame">
      <a
        class="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault();
          main.current?.querySelector("h1")?.focus();
        }}
      >
        To the content
      </a>
      <header class="bar">
        <a class="brand" href={address("keys")}>
          keyfold
        </a>
        <div class="who">
          <span
            class="subject"
            title={expires ? `until ${new Date(expires).toString()}` : undefined}
          >
            {subject ?? "signed in"}
            {expires && <span class="quiet"> until {clock(expires)}</span>}
          </span>
          <ThemeChoice />
          <button type="button" class="small" onClick={session.signOut}>
            Sign out
          </button>
        </div>
      </header>
      <nav ref={nav} aria-label="Views">
        <ul>
          {VIEWS.map(([name, title]) => (
            <li key={name}>
              <a href={address(name)} aria-current={name === current[0] ? "page" : undefined}>
                {title}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <main ref={main} id="content">
        {view(place.view, place.argument)}
      </main>
    </div>
  );
}

function clock(millis: number): string {
  return new Date(millis).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

const THEMES: readonly (readonly [Theme, string])[] = [
  ["system", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
];

export function ThemeChoice() {
  const now = useStore(theme);
  return (
    <select
      class="small"
      aria-label="Colours"
      value={now}
      onChange={(event) => choose(event.currentTarget.value as Theme)}
    >
      {THEMES.map(([value, name]) => (
        <option key={value} value={value}>
          {name}
        </option>
      ))}
    </select>
  );
}

/** The session has ended: the view stays as it is behind the question for another token. */
function Lost() {
  return (
    <Dialog title="Your session has ended" close={() => {}}>
      <p>
        The server no longer takes your token. Sign in again and go on where you were; nothing of
        what you have typed is lost.
      </p>
      <TokenForm name="Go on" />
      <p>
        <button type="button" class="small" onClick={session.signOut}>
          Sign out instead
        </button>
      </p>
    </Dialog>
  );
}
