import { describe, expect, it } from "vitest";
import type { Topology, TopologyEdge, TopologyNode } from "../src/api/types";
import { fit, pan, toPlane, zoom } from "../src/topology/camera";
import { joinedSecured, joinedSuccess, neighbours, scene, shape } from "../src/topology/graph";
import { answer, question } from "../src/topology/layout";
import { nameSize, shortened } from "../src/topology/names";
import { covers, placed } from "../src/topology/snapshot";

function node(id: string, namespace: string, more: Partial<TopologyNode> = {}): TopologyNode {
  return { id, kind: "deployment", namespace, name: id, meshed: true, rps: 1, success: 1, p99: 5, ...more };
}

function edge(src: string, dst: string, more: Partial<TopologyEdge> = {}): TopologyEdge {
  return { src, dst, rps: 1, success: 1, p99: 5, tcp: 1, secured: true, reason: "", ...more };
}

const MESH: Topology = {
  nodes: [node("a", "one"), node("b", "one", { rps: 9, success: 0.5 }), node("c", "two")],
  edges: [edge("a", "b"), edge("a", "c"), edge("b", "c", { rps: 3, secured: false, reason: "no" })],
};

describe("a closed namespace", () => {
  const closed = scene(MESH, new Set(["one"]));

  it("stands for all that is in it", () => {
    expect(closed.groups).toEqual(["two"]);
    expect(closed.nodes).toMatchObject([{ kind: "namespace", name: "one", inside: 2, rps: 10, success: 0.55 }, { id: "c" }]);
  });

  it("joins its links, and one that is open makes the whole open", () => {
    expect(closed.links).toMatchObject([{ dst: "c", rps: 4, secured: false, reason: "no" }]);
  });

  it("needs a layout of its own, but new numbers do not", () => {
    const open = scene(MESH, new Set());
    expect(shape(open)).not.toBe(shape(closed));
    const busier = { ...MESH, nodes: MESH.nodes.map((found) => ({ ...found, rps: 99 })) };
    expect(shape(scene(busier, new Set()))).toBe(shape(open));
  });
});

describe("sums", () => {
  it("count each share by its requests", () => {
    expect(joinedSuccess([{ rps: 1, success: 1 }, { rps: 99, success: 0 }])).toBeCloseTo(0.01);
    expect(joinedSuccess([{ rps: null, success: null }])).toBeNull();
  });

  it("are secured only if all is known to be", () => {
    expect(joinedSecured([{ secured: true }, { secured: null }])).toBeNull();
    expect(joinedSecured([{ secured: true }, { secured: true }])).toBe(true);
  });
});

describe("the layout", () => {
  const open = scene(MESH, new Set());

  it("asks for all links at once, so that each finds a way around all workloads", () => {
    const asked = question(open);
    expect(asked.children?.map(({ id, children }) => [id, children?.length])).toEqual([
      ["namespace//one", 2],
      ["namespace//two", 1],
    ]);
    expect(asked.edges).toHaveLength(3);
  });

  it("is read with places counted from the whole", () => {
    const found = answer({
      id: "root",
      width: 100,
      height: 50,
      children: [{ id: "namespace//one", x: 10, y: 20, width: 50, height: 20, children: [{ id: "a", x: 1, y: 2, width: 5, height: 5 }] }],
    });
    expect(found.nodes.get("a")).toMatchObject({ x: 11, y: 22 });
    expect(found.bounds).toMatchObject({ width: 100 });
  });

  it("knows the neighbours", () => {
    expect(neighbours(open.links, "c")).toEqual(new Set(["c", "a", "b"]));
  });
});

describe("names", () => {
  it("stay legible from afar, and are cut where they have no room", () => {
    expect([0.25, 0.3, 0.5].map((scale) => nameSize(scale) * scale)).toEqual([10, 10, 10]);
    expect([0.7, 1].map(nameSize)).toEqual([17, 13]);
    expect(shortened("checkout-service", 148 / nameSize(0.3))).toBe("checko…");
    expect(shortened("cart", 148 / nameSize(0.3))).toBe("cart");
    expect(shortened("checkout-service", 148 / nameSize(1))).toBe("checkout-service");
  });
});

describe("the camera", () => {
  const view = { width: 800, height: 600 };

  it("shows all, in the middle, never larger than life", () => {
    const found = fit({ x: 0, y: 0, width: 4000, height: 100 }, view);
    expect(found.scale).toBeCloseTo(0.188);
    expect(toPlane(found, { x: 400, y: 300 })).toEqual({ x: expect.closeTo(2000) as number, y: expect.closeTo(50) as number });
    expect(fit({ x: 0, y: 0, width: 10, height: 10 }, view).scale).toBe(1);
  });

  it("keeps what is under the pointer", () => {
    const before = pan({ x: 0, y: 0, scale: 1 }, { x: 30, y: 40 });
    const at = { x: 100, y: 100 };
    expect(toPlane(zoom(before, 1.7, at), at)).toEqual(toPlane(before, at));
  });

  it("moves a picture as it moves the plane", () => {
    const taken = { x: 5, y: 6, scale: 1 };
    expect(placed(taken, taken, view)).toEqual({ x: -400, y: -300, zoom: 1 });
    expect(covers(taken, pan(taken, { x: 399, y: 0 }), view)).toBe(true);
    expect(covers(taken, pan(taken, { x: 401, y: 0 }), view)).toBe(false);
    expect(covers(taken, zoom(taken, 2.5, { x: 0, y: 0 }), view)).toBe(false);
  });
});
