import Elk from "elkjs/lib/elk.bundled.js";
import { describe, expect, it } from "vitest";
import type { Topology, TopologyEdge, TopologyNode } from "../src/api/types";
import { groupId, scene } from "../src/topology/graph";
import { answer, question, type Layout } from "../src/topology/layout";
import { arrow, crosses, isNear, middle, type Pen, pieces, route, trace } from "../src/topology/route";

function node(id: string, namespace: string): TopologyNode {
  return { id, kind: "deployment", namespace, name: id, meshed: true, rps: 1, success: 1, p99: 5 };
}

function edge([src = "", dst = ""]: string[]): TopologyEdge {
  return { src, dst, rps: 1, success: 1, p99: 5, tcp: 1, secured: true, reason: "" };
}

function mesh(namespaces: Record<string, string>, ...calls: string[]): Topology {
  const nodes = Object.entries(namespaces).flatMap(([namespace, names]) => names.split(" ").map((name) => node(name, namespace)));
  return { nodes, edges: calls.map((call) => edge(call.split(" "))) };
}

/** Workloads that call at random, within 10 namespaces and between them. */
function busy(workloads: number, calls: number): Topology {
  let state = 7;
  const next = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
  const nodes = Array.from({ length: workloads }, (_, number) => node(`w${number}`, `team-${number % 10}`));
  const edges = new Map<string, TopologyEdge>();
  while (edges.size < calls) {
    const [src, dst] = [`w${next(workloads)}`, `w${next(workloads)}`];
    edges.set(`${src} ${dst}`, edge([src, dst]));
  }
  return { nodes, edges: [...edges.values()] };
}

const CHAIN = mesh({ shop: "a b c d" }, "a b", "b c", "c d", "d a", "c a", "b b");
const ACROSS = mesh({ one: "a b c", two: "d e f" }, "a b", "b c", "c d", "d e", "e f", "f a", "e b", "d c", "f d");

async function placed(topology: Topology, closed: string[] = []): Promise<Layout & { ends: Map<string, [string, string]> }> {
  const wanted = scene(topology, new Set(closed));
  const found = answer(await new Elk().layout(question(wanted)));
  return { ...found, ends: new Map(wanted.links.map(({ id, src, dst }) => [id, [src, dst]])) };
}

describe("the lines of the graph", () => {
  it.each([
    ["with calls back", CHAIN, []],
    ["with calls back across namespaces", ACROSS, []],
    ["with a closed namespace", ACROSS, ["two"]],
    ["of a busy mesh", busy(120, 300), []],
  ])("%s cross no workload that is not their end", async (_, topology, closed) => {
    const { nodes, routes, ends } = await placed(topology, closed);
    expect(routes.size).toBe(ends.size);
    const crossed = [...routes].flatMap(([id, found]) => [...nodes].filter(([name, box]) => !ends.get(id)?.includes(name) && crosses(found, box)).map(([name]) => `${id}: ${name}`));
    expect(crossed).toEqual([]);
  });

  it("begin at the right of who calls, end at the left of who is called, and pass through neither", async () => {
    const { nodes, routes, ends } = await placed(ACROSS);
    for (const [id, found] of routes) {
      const [src, dst] = (ends.get(id) ?? []).map((name) => nodes.get(name));
      expect(src && dst).toBeTruthy();
      if (!src || !dst) continue;
      expect(found.points[0]?.x).toBeCloseTo(src.x + src.width);
      expect(found.points.at(-1)?.x).toBeCloseTo(dst.x);
      expect(crosses(found, { ...src, width: src.width - 1 }) || crosses(found, { ...dst, x: dst.x + 1, width: dst.width - 1 })).toBe(false);
    }
  });

  it("stay out of namespaces that are neither end's", async () => {
    const { groups, routes, ends } = await placed(mesh({ one: "a b", two: "c d", three: "e f" }, "a c", "c e", "a e", "e a", "b b", "d d", "f f"));
    const spaces: Record<string, string> = { a: "one", b: "one", c: "two", d: "two", e: "three", f: "three" };
    for (const [id, found] of routes) {
      const own = (ends.get(id) ?? []).map((name) => groupId(spaces[name] ?? ""));
      for (const [name, box] of groups) expect(own.includes(name) || !crosses(found, box)).toBe(true);
    }
  });
});

describe("one line", () => {
  const bent = route([{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 10, y: 50 }, { x: 100, y: 50 }]);

  it("is near what it passes, and nothing else", () => {
    expect(isNear(bent, { x: 13, y: 25 }, 4)).toBe(true);
    expect(isNear(bent, { x: 50, y: 10 }, 4)).toBe(false);
    expect(isNear(bent, { x: 104, y: 50 }, 3)).toBe(false);
  });

  it("has its words on the longest level piece", () => {
    expect(middle(bent)).toEqual({ x: 55, y: 50 });
    expect(pieces(bent)).toHaveLength(3);
  });

  it("crosses a box by passing through it, not along it", () => {
    expect(crosses(bent, { x: 40, y: 40, width: 20, height: 20 })).toBe(true);
    expect(crosses(bent, { x: 40, y: 50, width: 20, height: 20 })).toBe(false);
  });

  it("has round corners and an arrow in its last direction", () => {
    const drawn: string[] = [];
    const pen: Pen = {
      moveTo: (x, y) => drawn.push(`M ${x} ${y}`),
      lineTo: (x, y) => drawn.push(`L ${x} ${y}`),
      arcTo: (...numbers) => drawn.push(`A ${numbers.join(" ")}`),
    };
    trace(pen, bent);
    arrow(pen, bent);
    expect(drawn).toEqual(["M 0 0", "A 10 0 10 50 5", "A 10 50 100 50 9", "L 100 50", "M 93 54", "L 100 50", "L 93 46"]);
  });
});
