/** Signs that tell a state by shape, so that colour is never alone. */

import type { JSX } from "preact";
import type { HealthState, Num } from "../api/types";
import { NOTHING, percent } from "../format";
import { STATE_WORDS, successState } from "../health";

const PATHS: Record<string, JSX.Element> = {
  ok: <path d="M3.500 8.500l3 3 6-7" />,
  warn: <path d="M8 2.500l6 11H2zM8 7v3M8 12v.2" />,
  fail: <path d="M4 4l8 8M12 4l-8 8" />,
  unknown: <path d="M4.500 8h7" />,
  lock: <path d="M4 7.500h8v6H4zM5.500 7.500V5a2.500 2.500 0 015 0v2.500" />,
  open: <path d="M4 7.500h8v6H4zM5.500 7.500V5a2.500 2.500 0 014.800-1" />,
  search: <path d="M7 2.500a4.500 4.500 0 100 9 4.500 4.500 0 000-9zM10.500 10.500l3.500 3.500" />,
  sun: <path d="M8 5a3 3 0 100 6 3 3 0 000-6zM8 1v1.500M8 13.500V15M1 8h1.500M13.500 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1" />,
  moon: <path d="M12.500 10A5.500 5.500 0 016 3.500 5.500 5.500 0 1012.500 10z" />,
  system: <path d="M2 3h12v8H2zM6 14h4M8 11v3" />,
  menu: <path d="M2 4h12M2 8h12M2 12h12" />,
  close: <path d="M4 4l8 8M12 4l-8 8" />,
  down: <path d="M4 6l4 4 4-4" />,
  right: <path d="M6 4l4 4-4 4" />,
  play: <path d="M5 3l8 5-8 5z" />,
  stop: <path d="M4 4h8v8H4z" />,
  save: <path d="M8 2v8M4.500 7L8 10.500 11.500 7M3 13.500h10" />,
  edit: <path d="M3 13l.7-3L10.500 3.200l2.300 2.300L6 12.300z" />,
};

export function Icon({ name, label }: { name: string; label?: string }) {
  return (
    <svg
      class="icon"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.6"
      stroke-linecap="round"
      stroke-linejoin="round"
      {...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" as const })}
    >
      {PATHS[name] ?? null}
    </svg>
  );
}

export function State({ state, children }: { state: HealthState; children?: preact.ComponentChildren }) {
  return (
    <span class={`state state-${state}`}>
      <Icon name={state} {...(children ? {} : { label: STATE_WORDS[state] })} />
      {children}
    </span>
  );
}

/** A success rate; one that is not known is no state at all. */
export function Success({ share, digits }: { share: Num | undefined; digits?: number }) {
  if (share === null || share === undefined) return <>{NOTHING}</>;
  return <State state={successState(share)}>{percent(share, digits)}</State>;
}

export function Secured({ secured, reason }: { secured: boolean | null; reason: string }) {
  if (secured === null) return <State state="unknown">not known</State>;
  return (
    <span class={`state state-${secured ? "ok" : "fail"}`}>
      <Icon name={secured ? "lock" : "open"} />
      {secured ? "mutual TLS" : reason || "not secured"}
    </span>
  );
}
