/** What can hurt, in the server's words, and how its numbers are written. */

import type { Num } from "./api/types";
import { milliseconds, NOTHING, percent } from "./format";

interface PainKind {
  title: string;
  write: (value: Num) => string;
}

const share = (value: Num) => percent(value, 1);
const KINDS: Record<string, PainKind> = {
  success: { title: "success", write: (value) => percent(value) },
  latency: { title: "P99", write: milliseconds },
  mtls: { title: "mutual TLS", write: share },
  pods: { title: "ready", write: share },
};

export function painOf(what: string): PainKind {
  return KINDS[what] ?? { title: what, write: (value) => (value === null ? NOTHING : value.toLocaleString("en")) };
}
