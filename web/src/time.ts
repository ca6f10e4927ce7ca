/** Which moment and range the pages show: now, and following it, or a moment of the past. */

import { computed, signal } from "@preact/signals";
import { place, setQuery } from "./router";

export interface Range {
  name: string;
  seconds: number;
  /** Over which a table's numbers are taken. */
  window: string;
}

const LAST: Range = { name: "24h", seconds: 86_400, window: "10m" };
export const RANGES: readonly Range[] = [
  { name: "15m", seconds: 900, window: "60s" },
  { name: "1h", seconds: 3600, window: "60s" },
  { name: "3h", seconds: 10_800, window: "60s" },
  { name: "6h", seconds: 21_600, window: "60s" },
  LAST,
];
const USUAL = RANGES[1] ?? LAST;

export function rangeOf(name: string | null): Range {
  return RANGES.find((found) => found.name === name) ?? USUAL;
}

/** Unix seconds; null is now. */
export function momentOf(word: string | null): number | null {
  const value = Number(word);
  return word !== null && Number.isFinite(value) && value > 0 ? Math.floor(value) : null;
}

export const range = computed(() => rangeOf(place.value.query.get("range")));
export const at = computed(() => momentOf(place.value.query.get("at")));

let ahead = 0;

/** Seconds since 1970 by the server's clock, moved on every second. */
export const now = signal(Math.floor(Date.now() / 1000));

export function tick(): void {
  now.value = Math.floor(Date.now() / 1000 + ahead);
}

/** This machine's clock may be wrong; times are those of the cluster. */
export function setClock(serverSeconds: number): void {
  ahead = serverSeconds - Date.now() / 1000;
  tick();
}

export function show(moment: number | null): void {
  setQuery({ at: moment }, true);
}

export function showRange(name: string): void {
  setQuery({ range: name === USUAL.name ? null : name }, true);
}

/** For `<input type="datetime-local">`, which speaks local time without a zone. */
export function localText(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

export function fromLocalText(text: string): number | null {
  const time = new Date(text).getTime();
  return Number.isNaN(time) ? null : Math.floor(time / 1000);
}
