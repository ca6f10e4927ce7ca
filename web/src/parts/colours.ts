/** The style sheet's colours, for what is drawn on a canvas. */

import { isDark } from "../theme";

let known = new Map<string, string>();
let knownDark: boolean | null = null;

export function colour(name: string): string {
  if (knownDark !== isDark.value) {
    known = new Map();
    knownDark = isDark.value;
  }
  let found = known.get(name);
  if (found === undefined) {
    found = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    known.set(name, found);
  }
  return found;
}
