/** When a number is good, doubtful or bad: one rule for every page. */

import type { HealthState, Num } from "./api/types";

export const GOOD_SUCCESS = 0.99;
export const BAD_SUCCESS = 0.95;

export function successState(share: Num | undefined): HealthState {
  if (share === null || share === undefined) return "unknown";
  if (share >= GOOD_SUCCESS) return "ok";
  return share >= BAD_SUCCESS ? "warn" : "fail";
}

export function meshedState(row: { meshed: Num; pods: Num }): HealthState {
  if (row.pods === null || row.meshed === null || row.pods === 0) return "unknown";
  if (row.meshed >= row.pods) return "ok";
  return row.meshed === 0 ? "unknown" : "warn";
}

/** Of a certificate: its proxy renews it when about 70 % of its life has passed. */
export function certificateState(notBefore: Num, notAfter: Num, now: number): HealthState {
  if (notAfter === null) return "unknown";
  if (notAfter <= now) return "fail";
  const life = notBefore === null ? null : notAfter - notBefore;
  return life !== null && notAfter - now < life * 0.1 ? "warn" : "ok";
}

export const STATE_WORDS: Record<HealthState, string> = {
  ok: "well",
  warn: "doubtful",
  fail: "failing",
  unknown: "unknown",
};
