/** Both sides of each split beside each other, and their weights moved by the user's own right. */

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { address, sentence } from "../api/client";
import { usePoll } from "../api/poll";
import type { Split, SplitBackend, Splits } from "../api/types";
import { milliseconds, percent, rate } from "../format";
import { pathOf } from "../kinds";
import { Icon, Success } from "../parts/icons";
import { Section } from "../parts/page";
import { Empty, Polled } from "../parts/states";
import { put, type Result, Told, TokenField } from "../parts/told";
import { to } from "../router";
import { everySeconds } from "../session";
import { asked, isSame, isWhole, presets, shares, shown } from "../split/weights";
import { range } from "../time";

interface Props {
  namespace: string;
  service: string;
  /** Only this TrafficSplit. */
  only?: string;
}

export function SplitPanel({ namespace, service, only }: Props) {
  const path = `/api/splits/${encodeURIComponent(namespace)}/${encodeURIComponent(service)}`;
  const poll = usePoll<Splits>(address(path, { window: range.value.window }), everySeconds(), path);
  return (
    <Polled poll={poll} what="the splits">
      {({ splits, notes }) => {
        const wanted = only === undefined ? splits : splits.filter(({ kind, name }) => kind === "TrafficSplit" && name === only);
        return (
          <>
            {notes.map((note) => (
              <p key={note} class="quiet">
                {sentence(note)}
              </p>
            ))}
            {wanted.length === 0 ? <Nothing service={service} /> : null}
            {wanted.map((split) => (
              <One key={keyOf(split)} split={split} again={poll.again} />
            ))}
          </>
        );
      }}
    </Polled>
  );
}

function Nothing({ service }: { service: string }) {
  return (
    <Empty title={`All that is sent to ${service} goes to ${service} itself.`}>
      An HTTPRoute with two or more backendRefs, or a TrafficSplit, shares it out; then its weights are moved here.
    </Empty>
  );
}

function keyOf({ resource, namespace, name, rule }: Split): string {
  return `${resource}/${namespace}/${name}/${rule}`;
}

function urlOf({ resource, namespace, name }: Split): string {
  return `/api/splits/${encodeURIComponent(namespace)}/${resource}/${encodeURIComponent(name)}`;
}

interface Moved {
  generation: number;
  dryRun: boolean;
  before: string[];
  after: string[];
}

/** By split: what it was before the last change made here, and what that change made of it. */
const undos = signal<Record<string, { before: string[]; after: string[] }>>({});

/** What is typed, tried and told of one split. */
function useMoving(split: Split, again: () => void) {
  const current = split.backends.map(({ weight }) => weight);
  const [typed, setTyped] = useState<string[] | null>(null);
  const [seen, setSeen] = useState<Moved | null>(null);
  const [result, setResult] = useState<Result | null>(null);
  const [isBusy, setBusy] = useState(false);
  const choose = (chosen: string[] | null) => {
    setTyped(chosen);
    setSeen(null);
    setResult(null);
  };
  const send = async (wanted: string[], isTrial: boolean) => {
    setBusy(true);
    const body = { rule: split.rule, generation: split.generation, weights: asked(wanted) };
    const { answer, result: failure } = await put<Moved>(address(urlOf(split), { dryRun: isTrial || null }), body);
    setBusy(false);
    setSeen(answer && isTrial ? answer : null);
    setResult(failure ?? (isTrial ? null : told(answer)));
    if (answer && !isTrial) {
      setTyped(null);
      undos.value = { ...undos.value, [keyOf(split)]: answer };
    }
    if (!isTrial || failure) again();
  };
  // What was seen of an object that has changed since says nothing any more.
  const tried = seen?.generation === split.generation ? seen : null;
  return { current, weights: typed ?? current, isTyped: typed !== null, tried, result, isBusy, choose, send };
}

function One({ split, again }: { split: Split; again: () => void }) {
  const moving = useMoving(split, again);
  const { current, weights, tried, result, choose, send } = moving;
  const undo = undos.value[keyOf(split)];
  const submit = (event: Event) => {
    event.preventDefault();
    void send(weights, tried === null);
  };
  const set = (index: number) => (text: string) => choose(weights.map((old, other) => (other === index ? text : old)));
  return (
    <Section title={`${split.kind} ${split.name}`} note={split.matches ? `for ${split.matches}` : "for all requests"}>
      <form class="stack" onSubmit={submit} aria-label={`Weights of ${split.name}`}>
        <div class="backends">
          {split.backends.map((backend, index) => (
            <Side key={index} backend={backend} weight={weights[index] ?? ""} share={shares(weights)[index] ?? null} set={set(index)} />
          ))}
        </div>
        <Presets split={split} weights={weights} choose={choose} isTyped={moving.isTyped} />
        {tried ? <Preview split={split} moved={tried} /> : null}
        <div class="query-foot">
          <TokenField />
          <button type="submit" class="primary" disabled={moving.isBusy || isSame(weights, current) || !isReady(weights)}>
            <Icon name="edit" /> {tried ? "Apply" : "Preview"}
          </button>
          {undo && isSame(undo.after, current) ? (
            <button type="button" disabled={moving.isBusy} onClick={() => void send(undo.before, false)}>
              Undo: back to {shown(undo.before)}
            </button>
          ) : null}
        </div>
        <p class="quiet">The preview is judged by the cluster and stores nothing. Weights are moved by your right, not the dashboard's; the token is kept in this page only.</p>
        <div role="status">{result ? <Told result={result} /> : null}</div>
      </form>
    </Section>
  );
}

interface PresetsProps {
  split: Split;
  weights: string[];
  isTyped: boolean;
  choose: (weights: string[] | null) => void;
}

function Presets({ split, weights, isTyped, choose }: PresetsProps) {
  return (
    <div class="query-foot" role="group" aria-label="Presets">
      {presets(split.backends.map(({ name }) => name)).map((preset) => (
        <button key={preset.title} type="button" aria-pressed={isSame(preset.weights, weights)} onClick={() => choose(preset.weights)}>
          {preset.title}
        </button>
      ))}
      {isTyped ? (
        <button type="button" onClick={() => choose(null)}>
          As it is
        </button>
      ) : null}
    </div>
  );
}

function isReady(weights: readonly string[]): boolean {
  return weights.every((text, index) => isWhole(text) || shares(weights)[index] !== null) && weights.some((text) => Number(text) !== 0);
}

function told(moved: Moved | undefined): Result | null {
  if (!moved) return null;
  return { state: "ok", message: `Moved from ${shown(moved.before)} to ${shown(moved.after)}. Proxies follow within seconds.`, hint: "", problems: [] };
}

interface SideProps {
  backend: SplitBackend;
  weight: string;
  share: number | null;
  set: (text: string) => void;
}

function Side({ backend, weight, share, set }: SideProps) {
  const { namespace, name, port } = backend;
  return (
    <section class="backend" aria-label={name}>
      <h3>
        <a href={to(pathOf({ kind: "service", namespace, name }))}>{name}</a>
        {port === null ? null : <span class="quiet">:{port}</span>}
      </h3>
      <label class="field">
        Weight
        <input inputMode="numeric" value={weight} spellcheck={false} autocomplete="off" onInput={(event) => set(event.currentTarget.value)} />
      </label>
      <p>
        <strong>{percent(share, 1)}</strong> <span class="quiet">of the requests{share === backend.share ? "" : `, now ${percent(backend.share, 1)}`}</span>
      </p>
      <meter min={0} max={1} value={share ?? 0} aria-label={`Share of ${name}`} />
      <dl class="pairs">
        <dt>Success</dt>
        <dd>
          <Success share={backend.success} />
        </dd>
        <dt>Requests / s</dt>
        <dd>{rate(backend.rps)}</dd>
        <dt>P50</dt>
        <dd>{milliseconds(backend.p50)}</dd>
        <dt>P95</dt>
        <dd>{milliseconds(backend.p95)}</dd>
        <dt>P99</dt>
        <dd>{milliseconds(backend.p99)}</dd>
      </dl>
    </section>
  );
}

/** What the API server says the object would become. */
function Preview({ split, moved }: { split: Split; moved: Moved }) {
  const [before, after] = [shares(moved.before), shares(moved.after)];
  return (
    <section class="stale" aria-label="Preview">
      <strong>
        {split.kind} {split.namespace}/{split.name} would become {shown(moved.after)}:
      </strong>
      <ul>
        {split.backends.map(({ name }, index) => (
          <li key={index}>
            {name}: weight {moved.before[index]} → {moved.after[index]}, {percent(before[index] ?? null, 1)} → {percent(after[index] ?? null, 1)}
          </li>
        ))}
      </ul>
    </section>
  );
}
