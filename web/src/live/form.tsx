/** The question of tap and top, kept in the URL, with the command that asks the same. */

import { useState } from "preact/hooks";
import { KINDS, NAMESPACE } from "../kinds";
import { Icon } from "../parts/icons";
import { command, type Filters, type Target, type Wanted } from "./target";

const TAPPED = [NAMESPACE, ...KINDS.filter(({ canTap }) => canTap)];

interface Props {
  verb: "tap" | "top";
  wanted: Wanted;
  change: (wanted: Wanted) => void;
  /** Of a workload's own page, whose target is no question. */
  fixed?: Target;
  isRunning: boolean;
  start: () => void;
  stop: () => void;
}

export function QueryForm({ verb, wanted, change, fixed, isRunning, start, stop }: Props) {
  const [isWide, setWide] = useState(false);
  const set = (name: keyof Wanted) => (value: string) => change({ ...wanted, [name]: value });
  const submit = (event: Event) => {
    event.preventDefault();
    if (isRunning) stop();
    else start();
  };
  return (
    <form class="query" onSubmit={submit}>
      <div class="fields">
        {fixed ? null : <TargetFields wanted={wanted} set={set} />}
        <Field label="Method" value={wanted.method} set={set("method")} hint="GET" />
        <Field label="Path begins" value={wanted.path} set={set("path")} hint="/api" />
        {isWide ? <MoreFields wanted={wanted} set={set} /> : null}
      </div>
      <div class="query-foot">
        <button type="submit" class="primary">
          <Icon name={isRunning ? "stop" : "play"} /> {isRunning ? "Stop" : "Start"}
        </button>
        <button type="button" aria-expanded={isWide} onClick={() => setWide(!isWide)}>
          {isWide ? "Fewer filters" : "More filters"}
        </button>
        <span class="command">
          <span class="quiet">In a terminal:</span> <code data-testid="command">{command(verb, wanted)}</code>
        </span>
      </div>
    </form>
  );
}

type Set = (name: keyof Wanted) => (value: string) => void;

function TargetFields({ wanted, set }: { wanted: Wanted; set: Set }) {
  return (
    <>
      <label class="field">
        Kind
        <select value={wanted.kind} onChange={(event) => set("kind")(event.currentTarget.value)}>
          {TAPPED.map(({ kind, one }) => (
            <option key={kind} value={kind}>
              {one}
            </option>
          ))}
        </select>
      </label>
      <Field label="Namespace" value={wanted.namespace} set={set("namespace")} required />
      {wanted.kind === "namespace" ? null : <Field label="Name" value={wanted.name} set={set("name")} hint="all" />}
    </>
  );
}

function MoreFields({ wanted, set }: { wanted: Wanted; set: Set }) {
  const names: [keyof Filters, string, string][] = [
    ["authority", "Authority", "web:80"],
    ["scheme", "Scheme", "http"],
    ["maxRps", "At most per second", "100"],
    ["toKind", "To kind", "service"],
    ["toNamespace", "To namespace", wanted.namespace],
    ["toName", "To name", "web"],
  ];
  return (
    <>
      {names.map(([name, label, hint]) => (
        <Field key={name} label={label} value={wanted[name]} set={set(name)} hint={hint} />
      ))}
    </>
  );
}

function Field(props: { label: string; value: string; set: (value: string) => void; hint?: string; required?: boolean }) {
  return (
    <label class="field">
      {props.label}
      <input
        value={props.value}
        placeholder={props.hint}
        required={props.required}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => props.set(event.currentTarget.value.trim())}
      />
    </label>
  );
}
