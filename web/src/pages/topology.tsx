/** Who calls whom: one namespace or the whole mesh. */

import { useState } from "preact/hooks";
import { address, sentence } from "../api/client";
import { usePoll } from "../api/poll";
import type { Edge, Topology, TopologyNode } from "../api/types";
import { milliseconds, plural, rate } from "../format";
import { kindOf, pathOf } from "../kinds";
import { Secured, State, Success } from "../parts/icons";
import { Page } from "../parts/page";
import { Empty, Polled } from "../parts/states";
import { EdgeTable } from "../parts/tables";
import { go, place, setQuery, to } from "../router";
import { everySeconds } from "../session";
import { at, range } from "../time";
import { scene } from "../topology/graph";
import { GraphView, type Point } from "../topology/view";

/** More than this at once is a picture of nothing; namespaces then begin closed. */
const MOST_OPEN = 600;

function closedOf(word: string | null, topology: Topology): Set<string> {
  if (word !== null) return new Set(word.split(",").filter(Boolean));
  return new Set(topology.nodes.length > MOST_OPEN ? topology.nodes.map(({ namespace }) => namespace) : []);
}

export function TopologyPage() {
  const namespace = place.value.query.get("namespace") ?? "";
  const url = address("/api/topology", { namespace, at: at.value, window: range.value.window });
  const poll = usePoll<Topology>(url, at.value === null ? everySeconds() : 0, `${namespace}/${at.value ?? ""}`);
  return (
    <Page
      title="Topology"
      note={namespace ? `${namespace} and all it talks to` : "The whole mesh"}
      actions={
        namespace ? (
          <a class="button" href={to("/topology")}>
            The whole mesh
          </a>
        ) : null
      }
    >
      <Polled poll={poll} what="the topology">
        {(found) =>
          found.nodes.length === 0 ? (
            <Empty title="There is no workload to show.">
              {sentence(found.note ?? "")}{" "}
              {namespace
                ? `${namespace} has no running workload, or none that the mesh has seen. Look at the whole mesh.`
                : "Mesh a workload and send it a request: kubectl annotate namespace NAME linkerd.io/inject=enabled, then restart its pods."}
            </Empty>
          ) : (
            <Found topology={found} />
          )
        }
      </Polled>
    </Page>
  );
}

function Found({ topology }: { topology: Topology }) {
  const { query } = place.value;
  const [pointed, setPointed] = useState<Point | null>(null);
  const closed = closedOf(query.get("closed"), topology);
  const namespaces = [...new Set(topology.nodes.map((node) => node.namespace))].sort();
  const setClosed = (names: Iterable<string>) => setQuery({ closed: [...names].sort().join(",") || "," });
  const toggle = (name: string) => {
    const next = new Set(closed);
    if (!next.delete(name)) next.add(name);
    setClosed(next);
  };
  const open = ({ kind, id }: Point) => {
    if (kind === "group") return toggle(id);
    const node = topology.nodes.find((found) => found.id === id);
    if (node) go(to(pathOf(node)));
    else toggle(id.split("/").pop() ?? "");
  };
  return (
    <>
      <section class="card" aria-label="Graph">
        <div class="live-bar">
          <span class="quiet">
            {plural(topology.nodes.length, "workload")} in {plural(namespaces.length, "namespace")}, {plural(topology.edges.length, "connection")}
          </span>
          {namespaces.length > 1 ? <Folds closed={closed} namespaces={namespaces} set={setClosed} toggle={toggle} /> : null}
        </div>
        <GraphView topology={topology} closed={closed} focus={query.get("focus")} point={setPointed} open={open} />
        <About topology={topology} closed={closed} point={pointed} />
        <Legend />
      </section>
      <section class="card" aria-label="The same as a table">
        <h2>The same as a table</h2>
        <EdgeTable
          edges={edgesOf(topology)}
          inUrl="table"
          empty={<Empty title="No traffic was seen between these workloads.">Send a request; it appears within a scrape.</Empty>}
        />
      </section>
    </>
  );
}

function edgesOf({ nodes, edges }: Topology): Edge[] {
  const byId = new Map<string, TopologyNode>(nodes.map((node) => [node.id, node]));
  return edges.flatMap((edge) => {
    const [src, dst] = [byId.get(edge.src), byId.get(edge.dst)];
    return src && dst ? [{ ...edge, src, dst }] : [];
  });
}

interface FoldsProps {
  closed: ReadonlySet<string>;
  namespaces: readonly string[];
  set: (names: Iterable<string>) => void;
  toggle: (name: string) => void;
}

function Folds({ closed, namespaces, set, toggle }: FoldsProps) {
  return (
    <>
      <button type="button" onClick={() => set(namespaces)}>
        Close all
      </button>
      <button type="button" onClick={() => set([])}>
        Open all
      </button>
      <details class="folds">
        <summary>Namespaces</summary>
        <ul>
          {namespaces.map((name) => (
            <li key={name}>
              <label class="check">
                <input type="checkbox" checked={!closed.has(name)} onChange={() => toggle(name)} />
                {name}
              </label>
              <a href={to("/topology", { namespace: name })}>
                only<span class="hidden"> {name}</span>
              </a>
            </li>
          ))}
        </ul>
      </details>
    </>
  );
}

function About({ topology, closed, point }: { topology: Topology; closed: ReadonlySet<string>; point: Point | null }) {
  if (!point || point.kind === "group") return <p class="about quiet">Point at a workload or a line to see its numbers; click a workload to open it, a namespace’s name to close it.</p>;
  const { nodes, links } = scene(topology, closed);
  const nameOf = (id: string) => nodes.find((node) => node.id === id)?.name ?? id;
  const node = nodes.find(({ id }) => id === point.id);
  if (node)
    return (
      <p class="about">
        <strong>{node.name}</strong> <span class="quiet">{kindOf(node.kind).one}</span>
        <Success share={node.success} />
        <span>{rate(node.rps)} req/s</span>
        <span>P99 {milliseconds(node.p99)}</span>
        {node.meshed === false ? <State state="warn">no proxy</State> : null}
      </p>
    );
  const link = links.find(({ id }) => id === point.id);
  if (!link) return <p class="about" />;
  return (
    <p class="about">
      <strong>
        {nameOf(link.src)} → {nameOf(link.dst)}
      </strong>
      <Secured secured={link.secured} reason={link.reason} />
      <Success share={link.success} />
      <span>{rate(link.rps)} req/s</span>
      <span>P99 {milliseconds(link.p99)}</span>
      <span>{link.tcp ?? 0} connections</span>
    </p>
  );
}

function Legend() {
  return (
    <ul class="legend quiet">
      <li>
        <span class="key key-ok" aria-hidden="true" /> line: well
      </li>
      <li>
        <span class="key key-fail" aria-hidden="true" /> thick frame, ✕: failing
      </li>
      <li>
        <span class="key key-open" aria-hidden="true" /> broken line: no mutual TLS
      </li>
      <li>
        <span class="key key-bare" aria-hidden="true" /> broken frame: no proxy
      </li>
      <li>wheel (after a click) or + and − to zoom, drag to move</li>
    </ul>
  );
}
