/** The first screen: is the mesh well, what changed, what hurts. */

import { advice, address, sentence } from "../api/client";
import { usePoll } from "../api/poll";
import type { Change, HealthLine, Overview, Pain } from "../api/types";
import { ago, count, dateTime, milliseconds, NOTHING, percent, rate } from "../format";
import { STATE_WORDS, successState } from "../health";
import { painOf } from "../pains";
import { hasPage, kindOf, type Named, pathOf } from "../kinds";
import { Icon, State, Success } from "../parts/icons";
import { HistoryCharts } from "../parts/history";
import { Page, Section } from "../parts/page";
import { Empty, Polled } from "../parts/states";
import { show } from "../time";
import { to } from "../router";
import { everySeconds } from "../session";
import { at, now, range } from "../time";

export function OverviewPage() {
  const moment = at.value;
  const url = address("/api/overview", { at: moment, window: range.value.window });
  const poll = usePoll<Overview>(url, moment === null ? everySeconds() : 0, `overview/${moment ?? ""}`);
  return (
    <Page title="Overview" note={moment === null ? "The whole mesh, now" : `The whole mesh at ${dateTime(moment)}`}>
      <Polled poll={poll} what="the state of the mesh">
        {(found) => (
          <>
            {found.note ? <Stale note={found.note} /> : null}
            <Totals totals={found.totals} />
            <div class="columns">
              <Health lines={found.health} />
              <div class="stack">
                <Pains pains={found.pains} />
                <Changes changes={found.changes} />
              </div>
            </div>
            <section class="stack" aria-label="The whole mesh over time">
              <HistoryCharts kind="mesh" namespace="" name="" />
            </section>
          </>
        )}
      </Polled>
    </Page>
  );
}

function Stale({ note }: { note: string }) {
  return (
    <div class="stale" role="alert">
      <State state="warn">{sentence(note)}</State> Numbers are missing until it answers; what is well and what is not is said below.
    </div>
  );
}

function Totals({ totals }: { totals: Overview["totals"] }) {
  const share = totals.pods ? (totals.meshed ?? 0) / totals.pods : null;
  return (
    <dl class="tiles" aria-label="Totals">
      <div>
        <dt>Success</dt>
        <dd>
          <Success share={totals.success} />
        </dd>
      </div>
      <div>
        <dt>Requests / s</dt>
        <dd>{rate(totals.rps)}</dd>
      </div>
      <div>
        <dt>P99</dt>
        <dd>{milliseconds(totals.p99)}</dd>
      </div>
      <div>
        <dt>Meshed pods</dt>
        <dd>
          {count(totals.meshed)}
          <span class="quiet"> of {count(totals.pods)}</span>
          {share === null ? null : <meter min={0} max={1} value={share} aria-label={`${percent(share, 0)} of the pods are meshed`} />}
        </dd>
      </div>
      <div>
        <dt>Mutual TLS</dt>
        <dd>
          {totals.securedShare === null ? NOTHING : percent(totals.securedShare, 1)}
          <span class="quiet"> of connections</span>
        </dd>
      </div>
    </dl>
  );
}

const WORST = ["fail", "warn", "unknown", "ok"] as const;

function verdict(lines: readonly HealthLine[]): { state: HealthLine["state"]; text: string } {
  const state = WORST.find((found) => lines.some((line) => line.state === found)) ?? "unknown";
  const number = lines.filter((line) => line.state === state).length;
  if (state === "ok") return { state, text: "The mesh is well." };
  if (state === "fail") return { state, text: `${number} of ${lines.length} checks fail.` };
  if (state === "warn") return { state, text: `The mesh works; ${number} of ${lines.length} checks ask for a look.` };
  return { state, text: "Not everything is known." };
}

function Health({ lines }: { lines: readonly HealthLine[] }) {
  if (lines.length === 0)
    return (
      <Section title="Is the mesh well?">
        <Empty title="Health is known of now only.">Press Now to see it. What hurt and what changed at that time stands beside.</Empty>
      </Section>
    );
  const { state, text } = verdict(lines);
  const ordered = [...lines].sort((one, other) => WORST.indexOf(one.state) - WORST.indexOf(other.state));
  return (
    <Section title="Is the mesh well?">
      <p class={`verdict state-${state}`}>
        <Icon name={state} /> {text}
      </p>
      <ul class="lines">
        {ordered.map((line) => (
          <li key={line.id}>
            <State state={line.state} />
            <div class={line.state === "ok" ? "line-short" : ""}>
              <p class="line-title">
                {line.title} <span class="hidden">: {STATE_WORDS[line.state]}</span>
              </p>
              {line.detail ? <p class="quiet">{sentence(line.detail)}</p> : null}
              {line.hint && line.state !== "ok" ? <p class="hint">{advice(line.hint)}</p> : null}
            </div>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Pains({ pains }: { pains: readonly Pain[] }) {
  return (
    <Section title="What hurts" note="against the hour before">
      {pains.length === 0 ? (
        <Empty title="Nothing hurts.">No workload fails, and none is slower than it was. Those with the most traffic stand first under Deployments.</Empty>
      ) : (
        <ul class="lines">
          {pains.map((pain) => (
            <PainLine key={`${pain.kind}/${pain.namespace}/${pain.name}/${pain.what}/${pain.detail ?? ""}`} pain={pain} />
          ))}
        </ul>
      )}
    </Section>
  );
}

function PainLine({ pain }: { pain: Pain }) {
  const { title, write } = painOf(pain.what);
  return (
    <li>
      <State state={pain.what === "success" ? successState(pain.value) : "warn"} />
      <div class="grow">
        <p class="line-title">
          <Link to={pain} /> <span class="quiet">in {pain.namespace}</span>
        </p>
        <p class="quiet">{sentence(pain.detail ?? title)}</p>
      </div>
      <p class="before">
        <strong>
          {write(pain.value)} <span class="quiet">{title}</span>
        </strong>
        {pain.before === null ? null : <span class="quiet">before: {write(pain.before)}</span>}
      </p>
    </li>
  );
}

function Link({ to: named }: { to: Named }) {
  return hasPage(named.kind) ? <a href={to(pathOf(named))}>{named.name}</a> : <span>{named.name}</span>;
}

const FIRST_CHANGES = 40;

function Changes({ changes }: { changes: readonly Change[] }) {
  const present = at.value ?? now.value;
  const newest = [...changes].sort((one, other) => other.time - one.time).slice(0, FIRST_CHANGES);
  return (
    <Section title="What changed" note="the newest first">
      {newest.length === 0 ? (
        <Empty title="Nothing has changed.">Roll-outs, new and gone pods, profiles and policies appear here from the moment the dashboard runs.</Empty>
      ) : (
        <ol class="timeline">
          {newest.map((change) => (
            <li key={`${change.time}/${change.kind}/${change.namespace}/${change.name}/${change.what}`}>
              <button type="button" class="bare when" title={`Show the mesh at ${dateTime(change.time)}`} onClick={() => show(Math.floor(change.time))}>
                {ago(change.time, Math.floor(present / 10) * 10)}
              </button>
              <div>
                <p class="line-title">
                  <span class="tag">{kindOf(change.kind).one}</span> <Link to={change} />{" "}
                  <span class="quiet">{change.namespace ? `in ${change.namespace}` : ""}</span>
                </p>
                <p class="quiet">
                  {change.what}: {change.detail}
                </p>
              </div>
            </li>
          ))}
        </ol>
      )}
    </Section>
  );
}
