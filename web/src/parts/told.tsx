/** What is done by the user's own right: the token, which stays in this page, and what came of it. */

import { signal } from "@preact/signals";
import { ask, Failure, type Problem } from "../api/client";
import { State } from "./icons";

/** In memory only: gone when the page is closed or loaded anew. */
const token = signal("");

export interface Result {
  state: "ok" | "fail";
  message: string;
  hint: string;
  problems: Problem[];
}

/** The answer, or why there is none. */
export async function put<T>(url: string, body: object): Promise<{ answer?: T; result?: Result }> {
  try {
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token.value.trim()}` };
    return { answer: await ask<T>(url, { method: "PUT", body: JSON.stringify(body), headers }) };
  } catch (error) {
    if (!(error instanceof Failure)) return { result: { state: "fail", message: String(error), hint: "Try again.", problems: [] } };
    return { result: { state: "fail", message: error.message, hint: error.hint, problems: error.problems } };
  }
}

export function TokenField() {
  return (
    <label class="field grow">
      Your bearer token
      <input
        type="password"
        autocomplete="off"
        required
        value={token.value}
        placeholder="kubectl create token ACCOUNT"
        onInput={(event) => {
          token.value = event.currentTarget.value;
        }}
      />
    </label>
  );
}

export function Told({ result }: { result: Result }) {
  return (
    <div class={result.state === "ok" ? "stale told-ok" : "stale told-fail"}>
      <State state={result.state}>{result.message}</State>
      {result.hint ? <span class="quiet">{result.hint}</span> : null}
      {result.problems.length > 0 ? (
        <ul>
          {result.problems.map(({ line, message }) => (
            <li key={`${line ?? ""}${message}`}>
              {line === null ? "" : `line ${line}: `}
              {message}
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  );
}
