/** Light, dark, or as the system has it; kept in this browser. */

import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const KEY = "tulle-theme";
const ORDER: readonly Theme[] = ["system", "light", "dark"];

function kept(): Theme {
  try {
    return ORDER.find((found) => found === localStorage.getItem(KEY)) ?? "system";
  } catch {
    return "system"; // storage is forbidden to this page
  }
}

const dark = window.matchMedia("(prefers-color-scheme: dark)");
export const theme = signal<Theme>(kept());
/** What is drawn on a canvas cannot follow a style sheet: it looks here. */
export const isDark = signal(false);

function apply(): void {
  const found = theme.value;
  isDark.value = found === "dark" || (found === "system" && dark.matches);
  document.documentElement.dataset["theme"] = isDark.value ? "dark" : "light";
}

export function next(): void {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length] ?? "system";
  try {
    localStorage.setItem(KEY, theme.value);
  } catch {
    // It holds until the page is closed.
  }
  apply();
}

export function follow(): void {
  dark.addEventListener("change", apply);
  apply();
}
