/** The address bar is the page's state: a path for the view, a query for time and filters. */

import { signal } from "@preact/signals";

export interface Place {
  path: string;
  query: URLSearchParams;
}

export function placeOf(url: URL | Location): Place {
  const path = url.pathname.length > 1 ? url.pathname.replace(/\/+$/, "") : url.pathname;
  return { path, query: new URLSearchParams(url.search) };
}

export const place = signal<Place>(placeOf(new URL("http://localhost/")));

/** Of every view: the moment and the range stay when one goes to another page. */
const KEPT = ["at", "range"];

/** `null` takes a word out of the query. */
export type Changes = Record<string, string | number | null | undefined>;

export function changed(query: URLSearchParams, changes: Changes): URLSearchParams {
  const found = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") found.delete(name);
    else found.set(name, String(value));
  }
  return found;
}

function text(path: string, query: URLSearchParams): string {
  const words = query.toString();
  return words ? `${path}?${words}` : path;
}

/** The address of a page, with what stays from the present one. */
export function to(path: string, more: Changes = {}): string {
  const kept = new URLSearchParams();
  for (const name of KEPT) {
    const value = place.value.query.get(name);
    if (value) kept.set(name, value);
  }
  return text(path, changed(kept, more));
}

export function go(address: string): void {
  history.pushState(null, "", address);
  arrive();
  window.scrollTo(0, 0);
  document.getElementById("main")?.focus({ preventScroll: true });
}

/** Filters replace, a chosen time or tab makes a step to go back to. */
export function setQuery(changes: Changes, step = false): void {
  const address = text(place.value.path, changed(place.value.query, changes));
  if (step) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
  arrive();
}

function arrive(): void {
  place.value = placeOf(window.location);
}

function isPlain(event: MouseEvent): boolean {
  return event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
}

export function listen(): void {
  arrive();
  window.addEventListener("popstate", arrive);
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || !isPlain(event)) return;
    const link = (event.target as Element | null)?.closest?.("a[href]");
    if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute("download")) return;
    if (link.origin !== window.location.origin || link.hash) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
