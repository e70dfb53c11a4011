/** Light or dark: what the system says, unless somebody chooses here. */

import { Store } from "./store";

export type Theme = "system" | "light" | "dark";

const KEPT = "keyfold.theme";

function kept(): Theme {
  try {
    const value = localStorage.getItem(KEPT);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system";
  }
}

export const theme = new Store<Theme>(kept());

export function choose(value: Theme): void {
  theme.set(value);
  apply();
  try {
    if (value === "system") localStorage.removeItem(KEPT);
    else localStorage.setItem(KEPT, value);
  } catch {
    // It holds for this page alone.
  }
}

/** Lets the style sheet know. */
export function apply(): void {
  const value = theme.get();
  if (value === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = value;
}
