/** Live requests: each a row that opens to all that is known of it. */

import { useRef, useState } from "preact/hooks";
import { address } from "../api/client";
import type { TapEvent, TapHeader } from "../api/types";
import { clock, milliseconds, NOTHING } from "../format";
import { Icon, State } from "../parts/icons";
import { Empty, Failed } from "../parts/states";
import { session } from "../session";
import { archive } from "./har";
import { QueryForm } from "./form";
import { grpcName } from "./grpc";
import { type Request, Requests } from "./requests";
import { NO_FILTERS, type Target, type Wanted } from "./target";
import { useLive } from "./uselive";

/** On a workload's page the target is given and the filters are the page's own. */
export function LiveTap({ target }: { target: Target }) {
  const [wanted, change] = useState<Wanted>({ ...NO_FILTERS, ...target });
  return <TapView wanted={wanted} change={change} fixed={target} />;
}

interface Props {
  wanted: Wanted;
  change: (wanted: Wanted) => void;
  fixed?: Target;
}

export function TapView({ wanted, change, fixed }: Props) {
  const requests = useRef(new Requests());
  const [list, setList] = useState<Request[]>([]);
  const [withHeaders, setWithHeaders] = useState(false);
  const live = useLive((data) => {
    for (const event of data as TapEvent[]) requests.current.add(event, Date.now());
    setList(requests.current.list());
  });
  const start = () => {
    requests.current = new Requests();
    setList([]);
    live.start(address("/api/tap", { ...wanted, headers: withHeaders ? "true" : null }));
  };
  return (
    <div class="stack">
      <QueryForm verb="tap" wanted={wanted} change={change} isRunning={live.isRunning} start={start} stop={live.stop} {...(fixed ? { fixed } : {})} />
      <div class="live-bar">
        <label class="check">
          <input type="checkbox" checked={withHeaders} disabled={live.isRunning} onChange={(event) => setWithHeaders(event.currentTarget.checked)} />
          with headers
        </label>
        <span class="quiet" role="status">
          {live.isRunning ? `Live: ${list.length} requests seen` : list.length > 0 ? `Stopped: ${list.length} requests kept` : "Not started"}
        </span>
        <button type="button" disabled={list.length === 0} onClick={() => download(list)}>
          <Icon name="save" /> HAR
        </button>
      </div>
      {live.failure ? <Failed message={live.failure.message} hint={live.failure.hint} again={start} /> : null}
      {list.length > 0 ? <RequestTable list={list} /> : <Nothing isRunning={live.isRunning} isFailed={live.failure !== null} />}
    </div>
  );
}

function Nothing({ isRunning, isFailed }: { isRunning: boolean; isFailed: boolean }) {
  if (isFailed) return null;
  if (isRunning)
    return (
      <Empty title="Waiting for the first request …">
        Only requests of pods with a proxy are seen, and only those that the filters let through. Send one, or take a filter away.
      </Empty>
    );
  return <Empty title="Nothing is tapped yet.">Press Start to watch live requests. Proxies then send a sample of at most 100 per second; bodies are never shown.</Empty>;
}

function download(list: readonly Request[]): void {
  const text = JSON.stringify(archive(list, session.value?.version ?? ""), null, 1);
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = document.createElement("a");
  [link.href, link.download] = [url, `tulle-tap-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.har`];
  link.click();
  URL.revokeObjectURL(url);
}

const SHOWN = 200;

function RequestTable({ list }: { list: readonly Request[] }) {
  const [open, setOpen] = useState<string | null>(null);
  return (
    <div class="table-scroll" role="group" aria-label="Requests, table" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {["Time", "Way", "From", "To", "Request", "Answer", "Latency", "TLS"].map((title) => (
              <th key={title} scope="col" class={title === "Latency" ? "number" : ""}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {list.slice(0, SHOWN).map((request) => (
            <RequestRow
              key={request.key}
              request={request}
              isOpen={open === request.key}
              toggle={() => setOpen(open === request.key ? null : request.key)}
            />
          ))}
        </tbody>
      </table>
      {list.length > SHOWN ? <p class="quiet table-foot">The newest {SHOWN} are shown; the HAR has all {list.length}.</p> : null}
    </div>
  );
}

function isFailure({ status, grpcStatus, reset }: Request): boolean {
  return (status !== null && status >= 500) || (grpcStatus !== null && grpcStatus !== 0) || reset !== null;
}

function answer({ status, grpcStatus, reset }: Request): string {
  if (reset !== null) return `reset ${reset}`;
  if (grpcStatus !== null) return `${status ?? ""} ${grpcName(grpcStatus)}`;
  return status === null ? "…" : String(status);
}

function RequestRow({ request, isOpen, toggle }: { request: Request; isOpen: boolean; toggle: () => void }) {
  return (
    <>
      <tr class="request">
        <td>
          <button type="button" class="bare row-open" aria-expanded={isOpen} aria-label={`Details of ${request.method} ${request.path}`} onClick={toggle}>
            <Icon name={isOpen ? "down" : "right"} />
          </button>
          {clock(request.seen / 1000)}
        </td>
        <td>{request.direction === "inbound" ? "in" : "out"}</td>
        <td>{request.source}</td>
        <td>{request.destination}</td>
        <td class="code">
          {request.method} {request.path}
        </td>
        <td>{request.status === null ? "…" : <State state={isFailure(request) ? "fail" : "ok"}>{answer(request)}</State>}</td>
        <td class="number">{request.latencyMs === null ? NOTHING : milliseconds(request.latencyMs)}</td>
        <td>{request.tls === "true" ? <State state="ok">mutual</State> : <State state="warn">{request.tls || "none"}</State>}</td>
      </tr>
      {isOpen ? (
        <tr class="request-details">
          <td colSpan={8}>
            <Details request={request} />
          </td>
        </tr>
      ) : null}
    </>
  );
}

function Details({ request }: { request: Request }) {
  return (
    <div class="details">
      <Facts
        title="Request"
        facts={[
          ["authority", request.authority],
          ["scheme", request.scheme],
          ...headerFacts(request.requestHeaders),
        ]}
      />
      <Facts
        title="Response"
        facts={[
          ["first byte after", milliseconds(request.latencyMs)],
          ["whole after", milliseconds(request.durationMs)],
          ["bytes", request.bytes === null ? NOTHING : String(request.bytes)],
          ...headerFacts(request.responseHeaders),
          ...headerFacts(request.trailers),
        ]}
      />
      <Facts title="Source" facts={Object.entries(request.labels.source)} />
      <Facts title="Destination" facts={Object.entries(request.labels.destination)} />
      <Facts title="Route" facts={Object.entries(request.labels.route)} />
    </div>
  );
}

function headerFacts(headers: readonly TapHeader[]): [string, string][] {
  return headers.map(({ name, valueStr, valueBin }) => [name, valueStr ?? `${valueBin ?? ""} (base64)`]);
}

function Facts({ title, facts }: { title: string; facts: readonly (readonly [string, string])[] }) {
  if (facts.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <dl>
        {facts.map(([name, value], index) => (
          <div key={`${name}${index}`}>
            <dt>{name}</dt>
            <dd class="code">{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
