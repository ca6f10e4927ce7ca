/** Makes or edits a Service's profile, with the user's own right: the token stays in this page. */

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { ask, Failure, type Problem } from "../api/client";
import { usePoll } from "../api/poll";
import type { Profile } from "../api/types";
import { Icon, State } from "../parts/icons";
import { Section } from "../parts/page";
import { Polled } from "../parts/states";

/** In memory only: gone when the page is closed or loaded anew. */
const token = signal("");

interface Props {
  namespace: string;
  service: string;
}

export function ProfileEditor({ namespace, service }: Props) {
  const url = `/api/profiles/${encodeURIComponent(namespace)}/${encodeURIComponent(service)}`;
  const poll = usePoll<Profile>(url, 0);
  return (
    <Section title="ServiceProfile" note="routes, retries and time-outs of this Service">
      <Polled poll={poll} what="the profile">
        {(found) => <Editor key={found.profile ?? ""} found={found} url={url} service={service} saved={poll.again} />}
      </Polled>
    </Section>
  );
}

interface Result {
  state: "ok" | "fail";
  message: string;
  hint: string;
  problems: Problem[];
}

async function put(url: string, profile: string): Promise<Result> {
  try {
    await ask<unknown>(url, {
      method: "PUT",
      body: JSON.stringify({ profile }),
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token.value.trim()}` },
    });
    return { state: "ok", message: "Saved. Proxies follow within seconds.", hint: "", problems: [] };
  } catch (error) {
    if (error instanceof Failure) return { state: "fail", message: error.message, hint: error.hint, problems: error.problems };
    return { state: "fail", message: String(error), hint: "Try again.", problems: [] };
  }
}

function Editor({ found, url, service, saved }: { found: Profile; url: string; service: string; saved: () => void }) {
  const [text, setText] = useState(found.profile ?? found.suggested);
  const [result, setResult] = useState<Result | null>(null);
  const [isSaving, setSaving] = useState(false);
  const save = async (event: Event) => {
    event.preventDefault();
    setSaving(true);
    const done = await put(url, text);
    setResult(done);
    setSaving(false);
    if (done.state === "ok") saved();
  };
  return (
    <form class="stack" onSubmit={(event) => void save(event)}>
      <p class="quiet">
        {found.exists
          ? `${service} has this profile.`
          : `${service} has no profile yet. This is a beginning: name the routes that you want to be counted apart.`}
      </p>
      <label class="field wide">
        Profile (YAML)
        <textarea rows={20} spellcheck={false} class="code" value={text} onInput={(event) => setText(event.currentTarget.value)} aria-describedby="profile-result" />
      </label>
      <div class="query-foot">
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
        <button type="submit" class="primary" disabled={isSaving}>
          <Icon name="edit" /> {isSaving ? "Saving …" : found.exists ? "Save" : "Make the profile"}
        </button>
        {found.exists && found.suggested !== found.profile ? (
          <button type="button" onClick={() => setText(found.suggested)}>
            Take the suggested one
          </button>
        ) : null}
      </div>
      <p class="quiet">It is saved by your right, not the dashboard's. The token is kept in this page only, and sent with this one request.</p>
      <div id="profile-result" role="status">
        {result ? <Told result={result} /> : null}
      </div>
    </form>
  );
}

function Told({ result }: { result: Result }) {
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
