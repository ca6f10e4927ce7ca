/** Who is connected to whom, and whether that is secured. */

import { address } from "../api/client";
import { usePoll } from "../api/poll";
import type { Edge } from "../api/types";
import { KINDS } from "../kinds";
import { Page } from "../parts/page";
import { Empty, Polled } from "../parts/states";
import { EdgeTable } from "../parts/tables";
import { place, setQuery } from "../router";
import { everySeconds } from "../session";
import { at, range } from "../time";

const ENDS = KINDS.filter(({ kind }) => kind !== "service" && kind !== "trafficsplit");

export function EdgesPage() {
  const { query } = place.value;
  const namespace = query.get("namespace") ?? "";
  const kind = query.get("kind") ?? "deployment";
  const url = address("/api/edges", { namespace, kind, at: at.value, window: range.value.window });
  const poll = usePoll<{ edges: Edge[]; note?: string }>(url, at.value === null ? everySeconds() : 0);
  return (
    <Page title="Edges" note={namespace ? `Open connections from or to ${namespace}` : "Open connections between meshed pods"}>
      <section class="card" aria-label="Edges">
        <div class="fields">
          <label class="field">
            Between
            <select value={kind} onChange={(event) => setQuery({ kind: event.currentTarget.value }, true)}>
              {ENDS.map(({ kind: name, title }) => (
                <option key={name} value={name}>
                  {title}
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            Namespace
            <input value={namespace} placeholder="all" spellcheck={false} onChange={(event) => setQuery({ namespace: event.currentTarget.value.trim() })} />
          </label>
        </div>
        <Polled poll={poll} what="the edges">
          {({ edges, note }) => (
            <EdgeTable
              edges={edges}
              inUrl=""
              empty={<Empty title="No connection is seen.">{note || "Edges are open TCP connections between meshed pods; one appears within a scrape of the first request."}</Empty>}
            />
          )}
        </Polled>
      </section>
    </Page>
  );
}
