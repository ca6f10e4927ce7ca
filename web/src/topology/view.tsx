/** The graph that one can drag, zoom, point at and open. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Topology } from "../api/types";
import { isDark } from "../theme";
import { type Box, type Camera, centred, fit } from "./camera";
import { type Scene, scene, shape } from "./graph";
import { type Layout, layout } from "./layout";
import { Stage } from "./stage";

export interface Point {
  kind: "node" | "group" | "link";
  id: string;
}

interface Props {
  topology: Topology;
  closed: ReadonlySet<string>;
  focus: string | null;
  point: (point: Point | null) => void;
  open: (point: Point) => void;
}

export interface Placed {
  scene: Scene;
  layout: Layout;
}

/** A layout is made anew only for another shape; until it is there, the old one stays to be seen. */
function usePlaced(topology: Topology, closed: ReadonlySet<string>): { placed: Placed | null; problem: string } {
  const [problem, setProblem] = useState("");
  const [known, setKnown] = useState<{ shape: string; layout: Layout } | null>(null);
  const wanted = scene(topology, closed);
  const wantedShape = shape(wanted);
  const latest = useRef(wanted);
  latest.current = wanted;
  useEffect(() => {
    let isWanted = true;
    layout(latest.current)
      .then((made) => isWanted && setKnown({ shape: wantedShape, layout: made }))
      .catch((error: unknown) => isWanted && setProblem(String(error)));
    return () => {
      isWanted = false;
    };
  }, [wantedShape]);
  const last = useRef<Placed | null>(null);
  if (known?.shape === wantedShape) last.current = { scene: wanted, layout: known.layout };
  return { placed: last.current, problem };
}

function focused(placed: Placed, focus: string | null): Box | null {
  if (!focus) return null;
  const node = placed.scene.nodes.find(({ kind, name }) => `${kind}/${name}` === focus);
  return node ? (placed.layout.nodes.get(node.id) ?? null) : null;
}

export function GraphView({ topology, closed, focus, point, open }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const stage = useRef<Stage | null>(null);
  const handlers = useRef({ point, open });
  handlers.current = { point, open };
  const { placed, problem } = usePlaced(topology, closed);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return undefined;
    const made = new Stage(element, (found) => handlers.current.point(found), (found) => handlers.current.open(found));
    stage.current = made;
    return () => made.end();
  }, []);

  const plan = placed?.layout;
  useEffect(() => {
    if (!placed) return;
    stage.current?.show(placed);
  }, [placed]);
  useEffect(() => {
    const now = stage.current;
    if (!plan || !now || !placed) return;
    const box = focused(placed, focus);
    const whole: Camera = fit(plan.bounds, now.size());
    now.look(box ? centred(whole, box, now.size()) : whole);
    // Only another plan or focus moves the camera, never new numbers.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [plan, focus]);
  const dark = isDark.value;
  useEffect(() => stage.current?.refresh(), [dark]);

  const about = `The graph of ${topology.nodes.length} workloads and ${topology.edges.length} connections. Arrow keys move it, plus and minus zoom, 0 shows all. The same is in the table below.`;
  return (
    <div class="graph">
      <canvas ref={canvas} tabIndex={0} role="img" aria-label={about} data-ready={placed ? "true" : "false"} data-nodes={placed?.scene.nodes.length ?? 0} />
      {placed ? null : (
        <p class="graph-wait" role="status">
          {problem ? `The layout could not be made: ${problem}. The table below has the same.` : "Placing the workloads …"}
        </p>
      )}
      <div class="graph-buttons" role="group" aria-label="Graph">
        <button type="button" aria-label="Zoom in" onClick={() => stage.current?.zoomBy(1.4)}>
          +
        </button>
        <button type="button" aria-label="Zoom out" onClick={() => stage.current?.zoomBy(1 / 1.4)}>
          −
        </button>
        <button type="button" onClick={() => plan && stage.current?.look(fit(plan.bounds, stage.current.size()))}>
          All
        </button>
      </div>
    </div>
  );
}
