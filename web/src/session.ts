/** What the server says of itself, asked once and then every minute. */

import { signal } from "@preact/signals";
import { ask } from "./api/client";
import type { Session } from "./api/types";
import { setClock } from "./time";

export const session = signal<Session | null>(null);

/** How often numbers can change at all: as often as proxies are scraped. */
export function everySeconds(): number {
  return Math.min(30, Math.max(2, session.value?.scrapeSeconds ?? 10) / 2);
}

export async function refreshSession(): Promise<void> {
  try {
    session.value = await ask<Session>("/api/session");
    setClock(session.value.now);
  } catch {
    // Each page says for itself that nobody answers.
  }
}
