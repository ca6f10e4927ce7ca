/** Numbers and times as people read them. Nothing known is a dash, never a zero. */

import type { Num } from "./api/types";

export const NOTHING = "–";

export function percent(share: Num | undefined, digits = 2): string {
  if (share === null || share === undefined) return NOTHING;
  // 99.996 % is not "100.00 %": a failure must stay to be seen.
  const shown = share < 1 ? Math.min(share * 100, 100 - 10 ** -digits) : 100;
  return `${shown.toFixed(digits)}%`;
}

export function rate(perSecond: Num | undefined): string {
  if (perSecond === null || perSecond === undefined) return NOTHING;
  if (perSecond >= 10_000) return `${(perSecond / 1000).toFixed(1)}k`;
  if (perSecond >= 100) return perSecond.toFixed(0);
  if (perSecond > 0 && perSecond < 0.05) return "<0.1";
  return perSecond.toFixed(1);
}

export function milliseconds(value: Num | undefined): string {
  if (value === null || value === undefined) return NOTHING;
  if (value >= 60_000) return `${(value / 60_000).toFixed(1)} min`;
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  if (value >= 10) return `${value.toFixed(0)} ms`;
  if (value >= 1) return `${value.toFixed(1)} ms`;
  return value === 0 ? "0 ms" : `${(value * 1000).toFixed(0)} µs`;
}

export function bytes(perSecond: Num | undefined): string {
  if (perSecond === null || perSecond === undefined) return NOTHING;
  const units = ["B/s", "kB/s", "MB/s", "GB/s"];
  let [value, index] = [perSecond, 0];
  while (value >= 1000 && index < units.length - 1) [value, index] = [value / 1000, index + 1];
  return `${value.toFixed(value < 10 && index > 0 ? 1 : 0)} ${units[index] ?? ""}`;
}

export function count(value: Num | undefined): string {
  return value === null || value === undefined ? NOTHING : Math.round(value).toLocaleString("en");
}

export function meshed(row: { meshed: Num; pods: Num }): string {
  if (row.pods === null && row.meshed === null) return NOTHING;
  return `${row.meshed ?? 0}/${row.pods ?? 0}`;
}

/** The two greatest units: "3 d 4 h". */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor((whole % 86_400) / 3600), "h"],
    [Math.floor((whole % 3600) / 60), "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(" ");
}

export function ago(time: number, now: number): string {
  const seconds = now - time;
  if (seconds < 5) return "just now";
  const [number = "", unit = ""] = span(seconds).split(" ");
  return `${number} ${unit} ago`;
}

export function until(time: number, now: number): string {
  return time <= now ? `expired ${span(now - time)} ago` : `in ${span(time - now)}`;
}

function padded(value: number): string {
  return String(value).padStart(2, "0");
}

export function clock(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(padded).join(":");
}

export function dateTime(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000);
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map(padded).join("-");
  return `${day} ${clock(unixSeconds)}`;
}

export function plural(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}
