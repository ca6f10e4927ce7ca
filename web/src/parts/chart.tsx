/** A number over time, by uPlot; a click shows the mesh as it was at that moment. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { Num } from "../api/types";
import { clock, dateTime } from "../format";
import { isDark } from "../theme";
import { show } from "../time";
import { colour } from "./colours";

export interface Line {
  title: string;
  values: readonly Num[];
  colour: string;
  dash?: number[];
}

interface Props {
  title: string;
  times: readonly number[];
  lines: readonly Line[];
  format: (value: Num) => string;
  ceiling?: number;
  moment: number | null;
}

const HEIGHT = 150;
const together = uPlot.sync("time");

function axis(format: (value: Num) => string): uPlot.Axis {
  return {
    stroke: () => colour("--quiet"),
    grid: { stroke: () => colour("--line"), width: 1 },
    ticks: { stroke: () => colour("--line"), width: 1, size: 4 },
    font: "11px system-ui, sans-serif",
    values: (_: uPlot, splits: number[]) => splits.map((value) => format(value)),
  };
}

function options({ lines, format, ceiling }: Props, width: number, marked: { current: number | null }): uPlot.Options {
  return {
    width,
    height: HEIGHT,
    cursor: { sync: { key: together.key }, drag: { x: false, y: false }, points: { size: 5 } },
    scales: {
      y: {
        range: (_, low, high) =>
          ceiling === undefined ? [0, high > 0 ? high * 1.08 : 1] : [Math.min(low ?? ceiling, ceiling - 0.02), ceiling],
      },
    },
    axes: [
      { ...axis((value) => clock(value ?? 0).slice(0, 5)), space: 60 },
      { ...axis(format), size: 58 },
    ],
    series: [
      { value: (_, value: number | null) => (value === null ? "–" : dateTime(value)) },
      ...lines.map((line) => ({
        label: line.title,
        stroke: () => colour(line.colour),
        width: 1.5,
        ...(line.dash ? { dash: line.dash } : {}),
        points: { show: false },
        value: (_: uPlot, value: Num) => format(value),
      })),
    ],
    hooks: { draw: [(plot) => drawMoment(plot, marked.current)] },
  };
}

function drawMoment(plot: uPlot, moment: number | null): void {
  if (moment === null) return;
  const x = plot.valToPos(moment, "x", true);
  const { left, top, width, height } = plot.bbox;
  if (x < left || x > left + width) return;
  plot.ctx.save();
  plot.ctx.strokeStyle = colour("--warn");
  plot.ctx.lineWidth = 2;
  plot.ctx.beginPath();
  plot.ctx.moveTo(x, top);
  plot.ctx.lineTo(x, top + height);
  plot.ctx.stroke();
  plot.ctx.restore();
}

function dataOf({ times, lines }: Props): uPlot.AlignedData {
  return [[...times], ...lines.map((line) => [...line.values])];
}

export function Chart(props: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  const marked = useRef(props.moment);
  latest.current = props;
  marked.current = props.moment;

  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const made = new uPlot(options(latest.current, element.clientWidth, marked), dataOf(latest.current), element);
    plot.current = made;
    made.over.addEventListener("click", () => {
      const time = latest.current.times[made.cursor.idx ?? -1];
      if (time !== undefined) show(Math.floor(time));
    });
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, []);

  useEffect(() => {
    plot.current?.setData(dataOf(latest.current));
  }, [props.times, props.moment]);
  const dark = isDark.value;
  useEffect(() => plot.current?.redraw(false, true), [dark]);

  return (
    <figure class="chart">
      <figcaption>{props.title}</figcaption>
      <div ref={place} role="img" aria-label={told(props)} />
    </figure>
  );
}

function told({ title, lines, format }: Props): string {
  const ends = lines.map(({ title: name, values }) => {
    const known = values.filter((value): value is number => value !== null);
    return known.length === 0
      ? `${name} not known`
      : `${name} from ${format(Math.min(...known))} to ${format(Math.max(...known))}, last ${format(known[known.length - 1] ?? null)}`;
  });
  return `${title}: ${ends.join("; ")}`;
}
