/** Health, volume and latency of each route of the Services that have routes. */

import { address, sentence } from "../api/client";
import { usePoll } from "../api/poll";
import type { RouteRow } from "../api/types";
import { Page } from "../parts/page";
import { Empty, Polled } from "../parts/states";
import { RouteTable } from "../parts/tables";
import { place, setQuery } from "../router";
import { everySeconds } from "../session";
import { at, range } from "../time";

const WORDS = [
  ["namespace", "Namespace", "all"],
  ["name", "Of the Service or workload", "all"],
  ["to", "To the Service", "any"],
] as const;

export function RoutesPage() {
  const { query } = place.value;
  const [namespace, name, target] = [query.get("namespace") ?? "", query.get("name") ?? "", query.get("to") ?? ""];
  const kind = query.get("kind") ?? "service";
  const url = address("/api/routes", { namespace, kind, name, to: target, at: at.value, window: range.value.window });
  const poll = usePoll<{ rows: RouteRow[]; notes?: string[] }>(url, at.value === null ? everySeconds() : 0);
  return (
    <Page title="Routes" note={namespace ? `Of the Services in ${namespace}` : "Of every Service that has a ServiceProfile or an HTTPRoute"}>
      <section class="card" aria-label="Routes">
        <div class="fields">
          <label class="field">
            Kind
            <select value={kind} onChange={(event) => setQuery({ kind: event.currentTarget.value }, true)}>
              <option value="service">Services</option>
              <option value="deployment">Deployments</option>
              <option value="statefulset">StatefulSets</option>
              <option value="daemonset">DaemonSets</option>
            </select>
          </label>
          {WORDS.map(([word, label, hint]) => (
            <label class="field" key={word}>
              {label}
              <input
                value={{ namespace, name, to: target }[word]}
                placeholder={hint}
                spellcheck={false}
                onChange={(event) => setQuery({ [word]: event.currentTarget.value.trim() })}
              />
            </label>
          ))}
        </div>
        <Polled poll={poll} what="the routes">
          {({ rows, notes }) => (
            <RouteTable
              rows={rows}
              inUrl=""
              empty={
                <Empty title="No route has numbers.">
                  {notes?.map(sentence).join(" ") ||
                    "Routes are counted for Services with a ServiceProfile or an HTTPRoute. Open a Service and its Profile tab to make one."}
                </Empty>
              }
            />
          )}
        </Polled>
      </section>
    </Page>
  );
}
