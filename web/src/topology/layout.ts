/** Where everything stands: by ELK, in a worker of its own that is loaded when first needed. */

import type { ELK, ElkExtendedEdge, ElkNode } from "elkjs/lib/elk-api.js";
import workerUrl from "elkjs/lib/elk-worker.min.js?url";
import type { Box } from "./camera";
import { groupId, type Scene } from "./graph";

export const NODE_WIDTH = 168;
export const NODE_HEIGHT = 46;
export const TITLE_HEIGHT = 30;

export interface Layout {
  nodes: Map<string, Box>;
  groups: Map<string, Box>;
  bounds: Box;
}

let engine: Promise<ELK> | null = null;

async function start(): Promise<ELK> {
  const { default: Elk } = await import("elkjs/lib/elk-api.js");
  return new Elk({ workerFactory: () => new Worker(workerUrl) });
}

const LAYERED = {
  "elk.algorithm": "layered",
  "elk.direction": "RIGHT",
  "elk.layered.spacing.nodeNodeBetweenLayers": "140",
  "elk.spacing.nodeNode": "24",
  "elk.spacing.componentComponent": "18",
  "elk.aspectRatio": "1.6",
};
const ROOT = { ...LAYERED, "elk.spacing.nodeNode": "44", "elk.layered.spacing.nodeNodeBetweenLayers": "112", "elk.spacing.componentComponent": "44" };
const GROUP = { ...LAYERED, "elk.padding": `[top=${TITLE_HEIGHT + 10},left=16,bottom=16,right=16]` };

/** Links between namespaces hold those apart; only links within one order what is in it. */
export function question({ nodes, groups, links }: Scene): ElkNode {
  const open = new Set(groups.map(groupId));
  const parentOf = new Map(nodes.map((node) => [node.id, node.inside > 0 ? node.id : groupId(node.namespace)]));
  const within = new Map<string, ElkExtendedEdge[]>(groups.map((name) => [groupId(name), []]));
  const between = new Map<string, ElkExtendedEdge>();
  for (const { id, src, dst } of links) {
    const [from, to] = [parentOf.get(src), parentOf.get(dst)];
    if (from === undefined || to === undefined || src === dst) continue;
    if (from === to && open.has(from)) within.get(from)?.push({ id, sources: [src], targets: [dst] });
    else if (from !== to) between.set(`${from} ${to}`, { id: `${from} ${to}`, sources: [from], targets: [to] });
  }
  const size = { width: NODE_WIDTH, height: NODE_HEIGHT };
  const closed = nodes.filter(({ inside }) => inside > 0).map(({ id }) => ({ id, ...size }));
  const opened = groups.map((name) => ({
    id: groupId(name),
    layoutOptions: GROUP,
    children: nodes.filter(({ inside, namespace }) => inside === 0 && namespace === name).map(({ id }) => ({ id, ...size })),
    edges: within.get(groupId(name)) ?? [],
  }));
  return { id: "root", layoutOptions: ROOT, children: [...closed, ...opened], edges: [...between.values()] };
}

function boxOf({ x = 0, y = 0, width = 0, height = 0 }: ElkNode): Box {
  return { x, y, width, height };
}

export function answer(found: ElkNode): Layout {
  const nodes = new Map<string, Box>();
  const groups = new Map<string, Box>();
  for (const child of found.children ?? []) {
    const box = boxOf(child);
    if (!child.children) {
      nodes.set(child.id, box);
      continue;
    }
    groups.set(child.id, box);
    for (const inner of child.children) {
      const own = boxOf(inner);
      nodes.set(inner.id, { ...own, x: own.x + box.x, y: own.y + box.y });
    }
  }
  return { nodes, groups, bounds: boxOf(found) };
}

export async function layout(wanted: Scene): Promise<Layout> {
  engine ??= start();
  const elk = await engine;
  return answer(await elk.layout(question(wanted)));
}
