/** What of the mesh is shown: workloads in their namespaces, or a closed namespace as one. Pure. */

import type { Num, Topology, TopologyEdge, TopologyNode } from "../api/types";

export interface SceneNode extends TopologyNode {
  /** Of a closed namespace: how many workloads stand behind it. */
  inside: number;
}

export interface Link {
  id: string;
  src: string;
  dst: string;
  rps: Num;
  success: Num;
  p99: Num;
  tcp: Num;
  secured: boolean | null;
  reason: string;
}

export interface Scene {
  nodes: SceneNode[];
  /** Open namespaces, in order of name. */
  groups: string[];
  links: Link[];
}

export function groupId(namespace: string): string {
  return `namespace//${namespace}`;
}

function sum(values: readonly Num[]): Num {
  const known = values.filter((value): value is number => value !== null);
  return known.length === 0 ? null : known.reduce((one, other) => one + other, 0);
}

function highest(values: readonly Num[]): Num {
  const known = values.filter((value): value is number => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}

/** Each share counts by its requests: a quiet workload does not hide a busy one that fails. */
export function joinedSuccess(parts: readonly { rps: Num; success: Num }[]): Num {
  let [requests, good] = [0, 0];
  for (const { rps, success } of parts) {
    if (rps === null || success === null) continue;
    requests += rps;
    good += rps * success;
  }
  return requests === 0 ? null : good / requests;
}

/** Secured only if all of it is; one open connection makes the whole open. */
export function joinedSecured(parts: readonly { secured: boolean | null }[]): boolean | null {
  if (parts.some(({ secured }) => secured === false)) return false;
  return parts.some(({ secured }) => secured === null) ? null : true;
}

function joinedNode(namespace: string, inside: readonly TopologyNode[]): SceneNode {
  return {
    id: groupId(namespace),
    kind: "namespace",
    namespace: "",
    name: namespace,
    meshed: inside.every(({ meshed }) => meshed === false) ? false : inside.every(({ meshed }) => meshed) ? true : null,
    rps: sum(inside.map(({ rps }) => rps)),
    success: joinedSuccess(inside),
    p99: highest(inside.map(({ p99 }) => p99)),
    inside: inside.length,
  };
}

function joinedLink(src: string, dst: string, parts: readonly TopologyEdge[]): Link {
  const reasons = [...new Set(parts.map(({ reason }) => reason).filter(Boolean))];
  return {
    id: `${src} ${dst}`,
    src,
    dst,
    rps: sum(parts.map(({ rps }) => rps)),
    success: joinedSuccess(parts),
    p99: highest(parts.map(({ p99 }) => p99)),
    tcp: sum(parts.map(({ tcp }) => tcp)),
    secured: joinedSecured(parts),
    reason: reasons.join(", "),
  };
}

function inNamespaces(nodes: readonly TopologyNode[]): Map<string, TopologyNode[]> {
  const found = new Map<string, TopologyNode[]>();
  for (const node of nodes) {
    const inside = found.get(node.namespace);
    if (inside) inside.push(node);
    else found.set(node.namespace, [node]);
  }
  return found;
}

export function scene(topology: Topology, closed: ReadonlySet<string>): Scene {
  const byNamespace = inNamespaces(topology.nodes);
  const nodes: SceneNode[] = [];
  const shownAs = new Map<string, string>();
  for (const [namespace, inside] of byNamespace) {
    const isClosed = closed.has(namespace);
    if (isClosed) nodes.push(joinedNode(namespace, inside));
    for (const node of inside) {
      shownAs.set(node.id, isClosed ? groupId(namespace) : node.id);
      if (!isClosed) nodes.push({ ...node, inside: 0 });
    }
  }
  const parts = new Map<string, { src: string; dst: string; edges: TopologyEdge[] }>();
  for (const edge of topology.edges) {
    const [src, dst] = [shownAs.get(edge.src), shownAs.get(edge.dst)];
    // What stays within a closed namespace is not shown.
    if (src === undefined || dst === undefined || (src === dst && edge.src !== edge.dst)) continue;
    const key = `${src} ${dst}`;
    const found = parts.get(key) ?? { src, dst, edges: [] };
    found.edges.push(edge);
    parts.set(key, found);
  }
  const groups = [...byNamespace.keys()].filter((namespace) => !closed.has(namespace)).sort();
  const links = [...parts.values()].map(({ src, dst, edges }) => joinedLink(src, dst, edges));
  return { nodes, groups, links };
}

/** The same shape needs no new layout; new numbers alone do not change it. */
export function shape({ nodes, groups, links }: Scene): string {
  return JSON.stringify([nodes.map(({ id }) => id).sort(), groups, links.map(({ id }) => id).sort()]);
}

export function neighbours(links: readonly Link[], id: string): Set<string> {
  const found = new Set([id]);
  for (const { src, dst } of links) {
    if (src === id) found.add(dst);
    if (dst === id) found.add(src);
  }
  return found;
}
