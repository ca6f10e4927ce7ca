/** Where everything stands: by ELK, in a worker of its own that is loaded when first needed. */

import type { ELK, ElkNode } from "elkjs/lib/elk-api.js";
import workerUrl from "elkjs/lib/elk-worker.min.js?url";
import type { Box } from "./camera";
import { groupId, type Scene } from "./graph";
import { route, type Route } from "./route";

export const NODE_WIDTH = 168;
export const NODE_HEIGHT = 46;
export const TITLE_HEIGHT = 30;

export interface Layout {
  nodes: Map<string, Box>;
  groups: Map<string, Box>;
  /** Of each link, by its ID. None crosses a node that is not its end. */
  routes: Map<string, Route>;
  bounds: Box;
}

let engine: Promise<ELK> | null = null;

async function start(): Promise<ELK> {
  const { default: Elk } = await import("elkjs/lib/elk-api.js");
  return new Elk({ workerFactory: () => new Worker(workerUrl) });
}

/** Between two columns there is room for the numbers of a link; the more links, the less, so that all of it stays legible at once. */
const SOME_LINKS = 20;
const MANY_LINKS = 200;

const LAYERED = {
  "elk.algorithm": "layered",
  "elk.direction": "RIGHT",
  "elk.spacing.nodeNode": "24",
  "elk.spacing.componentComponent": "18",
  "elk.aspectRatio": "1.6",
  "elk.spacing.edgeNode": "12",
  "elk.spacing.edgeEdge": "5",
  "elk.layered.spacing.edgeNodeBetweenLayers": "14",
  "elk.layered.spacing.edgeEdgeBetweenLayers": "5",
  // What calls back leaves on the right and arrives on the left, as all others do.
  "elk.layered.feedbackEdges": "true",
};

function options(links: number): { root: Record<string, string>; group: Record<string, string> } {
  const most = links > MANY_LINKS ? 48 : links > SOME_LINKS ? 84 : Infinity;
  const between = (distance: number) => ({ "elk.layered.spacing.nodeNodeBetweenLayers": String(Math.min(distance, most)) });
  const whole = { "elk.hierarchyHandling": "INCLUDE_CHILDREN", "elk.json.edgeCoords": "ROOT" };
  return {
    root: { ...LAYERED, ...between(112), ...whole, "elk.spacing.nodeNode": "44", "elk.spacing.componentComponent": "44" },
    group: { ...LAYERED, ...between(140), "elk.padding": `[top=${TITLE_HEIGHT + 10},left=16,bottom=16,right=16]` },
  };
}

/** One question for the whole, so that the lines between namespaces find a way around workloads too. */
export function question({ nodes, groups, links }: Scene): ElkNode {
  const known = new Set(nodes.map(({ id }) => id));
  const { root, group } = options(links.length);
  const size = { width: NODE_WIDTH, height: NODE_HEIGHT };
  const closed = nodes.filter(({ inside }) => inside > 0).map(({ id }) => ({ id, ...size }));
  const opened = groups.map((name) => ({
    id: groupId(name),
    layoutOptions: group,
    children: nodes.filter(({ inside, namespace }) => inside === 0 && namespace === name).map(({ id }) => ({ id, ...size })),
  }));
  const edges = links
    .filter(({ src, dst }) => known.has(src) && known.has(dst))
    .map(({ id, src, dst }) => ({ id, sources: [src], targets: [dst] }));
  return { id: "root", layoutOptions: root, children: [...closed, ...opened], edges };
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
  const routes = new Map<string, Route>();
  for (const { id, sections } of found.edges ?? []) {
    const points = (sections ?? []).flatMap(({ startPoint, bendPoints = [], endPoint }) => [startPoint, ...bendPoints, endPoint]);
    if (points.length > 1) routes.set(id, route(points));
  }
  return { nodes, groups, routes, bounds: boxOf(found) };
}

export async function layout(wanted: Scene): Promise<Layout> {
  engine ??= start();
  const elk = await engine;
  return answer(await elk.layout(question(wanted)));
}
