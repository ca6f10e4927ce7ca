/** Makes or edits a Service's profile, with the user's own right: the token stays in this page. */

import { useState } from "preact/hooks";
import { usePoll } from "../api/poll";
import type { Profile } from "../api/types";
import { Icon } from "../parts/icons";
import { Section } from "../parts/page";
import { Polled } from "../parts/states";
import { put, type Result, Told, TokenField } from "../parts/told";

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

async function save(url: string, profile: string): Promise<Result> {
  const { result } = await put<unknown>(url, { profile });
  return result ?? { state: "ok", message: "Saved. Proxies follow within seconds.", hint: "", problems: [] };
}

function Editor({ found, url, service, saved }: { found: Profile; url: string; service: string; saved: () => void }) {
  const [text, setText] = useState(found.profile ?? found.suggested);
  const [result, setResult] = useState<Result | null>(null);
  const [isSaving, setSaving] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setSaving(true);
    const done = await save(url, text);
    setResult(done);
    setSaving(false);
    if (done.state === "ok") saved();
  };
  return (
    <form class="stack" onSubmit={(event) => void submit(event)}>
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
        <TokenField />
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
