/** One question to the server and its answer; a failure is a sentence with a remedy. */

export class Failure extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly hint: string,
    readonly problems: Problem[] = [],
  ) {
    super(message);
  }
}

export interface Problem {
  line: number | null;
  message: string;
}

export type Query = Record<string, string | number | boolean | null | undefined>;

export function address(path: string, query: Query = {}): string {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") words.set(name, String(value));
  }
  const text = words.toString();
  return text ? `${path}?${text}` : path;
}

const UNREACHABLE =
  "The dashboard's server does not answer. The connection to it was probably closed.";
const RECONNECT = "Run “tulle viz dashboard” again (or the port-forward you used); this page recovers by itself.";

export async function ask<T>(url: string, options: RequestInit = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(url, { ...options, headers: { Accept: "application/json", ...options.headers } });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure(UNREACHABLE, 0, RECONNECT);
  }
  const body = await response.text();
  if (!response.ok) throw failed(response, body);
  try {
    return JSON.parse(body) as T;
  } catch {
    throw new Failure(
      `The answer to ${url} is no JSON.`,
      response.status,
      "Something between this page and the dashboard changes its answers: a proxy with a login page of its own, perhaps.",
    );
  }
}

/** What the server says is a part of a sentence, as its logs have it. */
export function sentence(text: string): string {
  const found = text.trim();
  if (!found) return "";
  return `${found.charAt(0).toUpperCase()}${found.slice(1)}${/[.!?…]$/.test(found) ? "" : "."}`;
}

/** Its hints are mostly a command to run. */
export function advice(hint: string): string {
  const found = hint.trim();
  return /^(tulle|kubectl) /.test(found) ? `Try: ${found}` : sentence(found);
}

function failed(response: Response, body: string): Failure {
  try {
    const said = JSON.parse(body) as { error?: string; hint?: string; problems?: Problem[] };
    return new Failure(
      sentence(said.error || `The server answered ${response.status}.`),
      response.status,
      advice(said.hint || remedy(response.status)),
      said.problems ?? [],
    );
  } catch {
    return new Failure(`The server answered ${response.status} without a reason.`, response.status, remedy(response.status));
  }
}

export function remedy(status: number): string {
  if (status === 401) return "Give a bearer token that the cluster accepts.";
  if (status === 403) return "Ask for the right named above, or use an account that has it.";
  if (status === 404) return "It may have been deleted or renamed; look for it by “/”.";
  if (status >= 500) return "Run “tulle viz check”; it names the part that is down and what to do.";
  return "Change what was asked and try again.";
}
