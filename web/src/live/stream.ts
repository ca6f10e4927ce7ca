/** Server-sent events by fetch: EventSource would hide the reason of a refusal. */

import { advice, Failure, remedy, sentence } from "../api/client";

export interface Event {
  kind: string;
  data: string;
}

/** Cuts text into events as it comes, in pieces of any size. */
export class EventCutter {
  private rest = "";

  push(text: string): Event[] {
    const parts = (this.rest + text).replaceAll("\r\n", "\n").split("\n\n");
    this.rest = parts.pop() ?? "";
    return parts.map(parsed).filter((event): event is Event => event !== null);
  }
}

function parsed(block: string): Event | null {
  let kind = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) kind = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  return data.length === 0 ? null : { kind, data: data.join("\n") };
}

async function refused(response: Response): Promise<Failure> {
  let [message, hint] = [`The server answered ${response.status}.`, remedy(response.status)];
  try {
    const said = (await response.json()) as { error?: string; hint?: string };
    [message, hint] = [sentence(said.error || message), advice(said.hint || hint)];
  } catch {
    // The status has to do.
  }
  return new Failure(message, response.status, hint);
}

/** Reads until the server ends it or `abort` is called; how it ended is thrown as a sentence. */
export async function follow(url: string, abort: AbortSignal, each: (data: unknown[]) => void): Promise<void> {
  let response: Response;
  try {
    response = await fetch(url, { signal: abort, headers: { Accept: "text/event-stream" } });
  } catch (error) {
    if (abort.aborted) return;
    throw new Failure(`The dashboard's server does not answer: ${String(error)}.`, 0, "Run “tulle viz dashboard” again, then start anew.");
  }
  if (!response.ok || !response.body) throw await refused(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const cutter = new EventCutter();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      take(cutter.push(value), each);
    }
  } catch (error) {
    if (abort.aborted) return;
    if (error instanceof Failure) throw error;
  }
  if (!abort.aborted) throw new Failure("The stream ended.", 0, "The dashboard or its port-forward was closed; start anew.");
}

function take(events: Event[], each: (data: unknown[]) => void): void {
  const failure = events.find(({ kind }) => kind === "failed");
  const messages = events.filter(({ kind }) => kind === "message");
  if (messages.length > 0) each(messages.map(({ data }) => JSON.parse(data) as unknown));
  if (failure) throw ended(failure.data);
}

function ended(data: string): Failure {
  const said = JSON.parse(data) as string | { error?: string; hint?: string };
  const usual = "Pods can be tapped once they were started after viz was installed; “tulle viz list” tells which can.";
  if (typeof said === "string") return new Failure(sentence(said), 0, usual);
  return new Failure(sentence(said.error || "The stream ended."), 0, advice(said.hint || usual));
}
