/** One stream that is started and stopped by hand, and what it has brought so far. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "../api/client";
import { follow } from "./stream";

export interface Live {
  isRunning: boolean;
  failure: Failure | null;
  start: (url: string) => void;
  stop: () => void;
}

/** `each` gets what has come since the last frame, so that a busy tap cannot stop the page. */
export function useLive(each: (data: unknown[]) => void): Live {
  const [isRunning, setRunning] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const abort = useRef<AbortController | null>(null);
  const take = useRef(each);
  take.current = each;

  const stop = () => {
    abort.current?.abort();
    abort.current = null;
    setRunning(false);
  };
  useEffect(() => () => abort.current?.abort(), []);

  const start = (url: string) => {
    abort.current?.abort();
    const own = new AbortController();
    abort.current = own;
    setFailure(null);
    setRunning(true);
    void run(url, own.signal, (data) => take.current(data)).catch((error: unknown) => {
      if (own.signal.aborted) return;
      setFailure(error instanceof Failure ? error : new Failure(String(error), 0, "Start it again."));
      setRunning(false);
    });
  };
  return { isRunning, failure, start, stop };
}

async function run(url: string, signal: AbortSignal, each: (data: unknown[]) => void): Promise<void> {
  let waiting: unknown[] = [];
  let frame = 0;
  const flush = () => {
    frame = 0;
    const found = waiting;
    waiting = [];
    if (found.length > 0 && !signal.aborted) each(found);
  };
  try {
    await follow(url, signal, (data) => {
      waiting.push(...data);
      frame ||= requestAnimationFrame(flush);
    });
  } finally {
    flush();
  }
}
