/** A small line of one number's past, drawn by uPlot only while it can be seen. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { Num } from "../api/types";
import { colour } from "./colours";

const WIDTH = 60;
const HEIGHT = 22;
const WAY = 2; // pixels kept free above and below, so that no line is cut

interface Props {
  values: readonly Num[] | undefined;
  label: string;
  format: (value: Num) => string;
  /** Of success rates, for whom a line at the top means all is well. */
  ceiling?: number;
}

function told(values: readonly Num[], format: (value: Num) => string): string {
  const known = values.filter((value): value is number => value !== null);
  if (known.length === 0) return "nothing known yet";
  const last = known[known.length - 1] ?? null;
  return `now ${format(last)}, lowest ${format(Math.min(...known))}, highest ${format(Math.max(...known))}`;
}

function options(ceiling: number | undefined): uPlot.Options {
  return {
    width: WIDTH,
    height: HEIGHT,
    padding: [WAY, 0, WAY, 0],
    legend: { show: false },
    cursor: { show: false },
    axes: [{ show: false }, { show: false }],
    scales: {
      x: { time: false },
      y: {
        range: (_, low, high) => {
          const top = ceiling ?? high;
          const bottom = ceiling === undefined ? 0 : Math.min(low, ceiling - 0.02);
          return top > bottom ? [bottom, top] : [bottom, bottom + 1];
        },
      },
    },
    series: [{}, { stroke: () => colour("--accent"), width: 1.25, fill: () => colour("--accent-wash"), points: { show: false } }],
  };
}

function data(values: readonly Num[]): uPlot.AlignedData {
  return [values.map((_, index) => index), [...values]];
}

export function Sparkline({ values, label, format, ceiling }: Props) {
  const place = useRef<HTMLSpanElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef<readonly Num[]>([]);
  latest.current = values ?? [];

  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const observer = new IntersectionObserver(([entry]) => {
      if (entry?.isIntersecting) {
        plot.current ??= new uPlot(options(ceiling), data(latest.current), element);
      } else {
        plot.current?.destroy();
        plot.current = null;
      }
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [ceiling]);

  useEffect(() => {
    plot.current?.setData(data(values ?? []));
  }, [values]);

  return (
    <span class="spark" ref={place} role="img" aria-label={`${label}: ${told(values ?? [], format)}`} />
  );
}
