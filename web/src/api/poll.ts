/** A question asked again and again; what was known stays while it is asked, and if it fails. */

import { signal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ask, Failure } from "./client";
import { pause } from "./pause";

export interface Polled<T> {
  state: "loading" | "ready" | "failed";
  data: T | null;
  failure: Failure | null;
  /** Milliseconds since 1970 of the last good answer. */
  received: number | null;
}

export interface Poll<T> {
  value: ReadonlySignal<Polled<T>>;
  again: () => void;
}

function begin<T>(): Polled<T> {
  return { state: "loading", data: null, failure: null, received: null };
}

class Poller<T> {
  readonly value = signal<Polled<T>>(begin<T>());
  private timer: number | undefined;
  private failures = 0;
  private abort: AbortController | null = null;
  private url: string | null = null;
  private everySeconds = 0;

  start(url: string | null, everySeconds: number, keep: boolean): void {
    this.stop();
    this.url = url;
    this.everySeconds = everySeconds;
    this.failures = 0;
    if (!keep) this.value.value = begin<T>();
    if (url !== null) void this.turn();
  }

  stop(): void {
    window.clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = null;
  }

  again = (): void => {
    window.clearTimeout(this.timer);
    void this.turn();
  };

  private async turn(): Promise<void> {
    if (this.url === null) return;
    this.abort?.abort();
    const abort = new AbortController();
    this.abort = abort;
    try {
      const data = await ask<T>(this.url, { signal: abort.signal });
      if (abort.signal.aborted) return;
      this.failures = 0;
      this.value.value = { state: "ready", data, failure: null, received: Date.now() };
    } catch (error) {
      if (abort.signal.aborted) return;
      this.failures += 1;
      const failure =
        error instanceof Failure ? error : new Failure(String(error), 0, "Reload the page.");
      this.value.value = { ...this.value.value, state: "failed", failure };
    }
    this.schedule();
  }

  private schedule(): void {
    // A moment of the past does not change; only a failed question is asked anew.
    if (this.everySeconds <= 0 && this.failures === 0) return;
    const seconds = pause(this.everySeconds || 5, this.failures);
    this.timer = window.setTimeout(() => {
      if (document.hidden) this.schedule();
      else void this.turn();
    }, seconds * 1000);
  }
}

/** `everySeconds` of 0 asks once. `subject` changes when old data would be wrong to keep. */
export function usePoll<T>(url: string | null, everySeconds: number, subject = url): Poll<T> {
  const poller = useRef<Poller<T> | null>(null);
  poller.current ??= new Poller<T>();
  const last = useRef(subject);
  useEffect(() => {
    const found = poller.current;
    if (!found) return undefined;
    found.start(url, everySeconds, last.current === subject);
    last.current = subject;
    return () => found.stop();
  }, [url, everySeconds, subject]);
  return { value: poller.current.value, again: poller.current.again };
}
