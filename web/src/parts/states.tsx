/** The four states of every page: loading, failing, empty, full. */

import type { ComponentChildren } from "preact";
import type { Poll } from "../api/poll";
import { clock } from "../format";
import { Icon } from "./icons";

export function Loading({ what }: { what: string }) {
  return (
    <div class="notice" role="status" data-state="loading">
      <span class="spinner" aria-hidden="true" />
      <p>Asking for {what} …</p>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="notice" data-state="empty">
      <p class="notice-title">{title}</p>
      <p>{children}</p>
    </div>
  );
}

export function Failed({ message, hint, again }: { message: string; hint: string; again?: () => void }) {
  return (
    <div class="notice notice-fail" role="alert" data-state="failed">
      <p class="notice-title">
        <Icon name="fail" /> {message}
      </p>
      <p>{hint}</p>
      {again ? (
        <button type="button" onClick={again}>
          Try again
        </button>
      ) : null}
    </div>
  );
}

interface Props<T> {
  poll: Poll<T>;
  what: string;
  children: (data: T) => ComponentChildren;
}

/** Shows what is known, with a line above it when it could not be renewed. */
export function Polled<T>({ poll, what, children }: Props<T>) {
  const { state, data, failure, received } = poll.value.value;
  if (data === null) {
    if (state === "failed" && failure)
      return <Failed message={failure.message} hint={failure.hint} again={poll.again} />;
    return <Loading what={what} />;
  }
  return (
    <div class="stack" data-state={state}>
      {state === "failed" && failure ? (
        <div class="stale" role="alert">
          <Icon name="warn" />
          <span>
            These are the numbers of {received ? clock(received / 1000) : "before"}: {failure.message} {failure.hint}
          </span>
          <button type="button" onClick={poll.again}>
            Try again
          </button>
        </div>
      ) : null}
      {children(data)}
    </div>
  );
}
