/** The way of a line between two boxes, around all others: horizontal and vertical pieces. Pure. */

import type { Box, Point } from "./camera";

export interface Route {
  /** From the one who calls to the one who is called; at least two. */
  points: Point[];
  bounds: Box;
}

/** What is drawn, and where: a canvas's path, or a test's. */
export interface Pen {
  moveTo: (x: number, y: number) => void;
  lineTo: (x: number, y: number) => void;
  arcTo: (x1: number, y1: number, x2: number, y2: number, radius: number) => void;
}

const CORNER = 9;
const ARROW = { long: 7, wide: 4 };

export function route(points: Point[]): Route {
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  return { points, bounds: { x: left - 1, y: top - 1, width: Math.max(...xs) - left + 2, height: Math.max(...ys) - top + 2 } };
}

export function pieces({ points }: Route): [Point, Point][] {
  return points.slice(1).map((end, index) => [points[index] ?? end, end]);
}

/** Corners are round, so that lines which cross are told from lines which turn. */
export function trace(pen: Pen, { points }: Route): void {
  const [first, ...rest] = points;
  if (!first) return;
  pen.moveTo(first.x, first.y);
  rest.forEach((corner, index) => {
    const next = rest[index + 1];
    if (!next) return pen.lineTo(corner.x, corner.y);
    const before = points[index] ?? first;
    const room = Math.min(distance(before, corner), distance(corner, next)) / 2;
    pen.arcTo(corner.x, corner.y, next.x, next.y, Math.min(CORNER, room));
  });
}

/** At the end, in the direction in which the line arrives. */
export function arrow(pen: Pen, { points }: Route): void {
  const end = points.at(-1);
  const before = points.at(-2);
  if (!end || !before) return;
  const whole = distance(before, end) || 1;
  const [x, y] = [(end.x - before.x) / whole, (end.y - before.y) / whole];
  const back = { x: end.x - x * ARROW.long, y: end.y - y * ARROW.long };
  pen.moveTo(back.x - y * ARROW.wide, back.y + x * ARROW.wide);
  pen.lineTo(end.x, end.y);
  pen.lineTo(back.x + y * ARROW.wide, back.y - x * ARROW.wide);
}

/** The middle of the longest level piece: there is room for words. */
export function middle(found: Route): Point {
  const all = pieces(found);
  const level = all.filter(([one, other]) => one.y === other.y);
  const [from, to] = (level.length > 0 ? level : all).reduce((best, piece) => (distance(...piece) > distance(...best) ? piece : best));
  return { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
}

export function isNear(found: Route, place: Point, reach: number): boolean {
  const { x, y, width, height } = found.bounds;
  if (place.x < x - reach || place.x > x + width + reach || place.y < y - reach || place.y > y + height + reach) return false;
  return pieces(found).some(([from, to]) => distance(place, nearest(from, to, place)) <= reach);
}

function nearest(from: Point, to: Point, { x, y }: Point): Point {
  const [wide, high] = [to.x - from.x, to.y - from.y];
  const along = ((x - from.x) * wide + (y - from.y) * high) / (wide * wide + high * high || 1);
  const part = Math.min(1, Math.max(0, along));
  return { x: from.x + wide * part, y: from.y + high * part };
}

/** Whether a line passes through a box, not only along its edge. */
export function crosses(found: Route, box: Box): boolean {
  return pieces(found).some(([one, other]) => {
    const [left, right] = [Math.min(one.x, other.x), Math.max(one.x, other.x)];
    const [top, bottom] = [Math.min(one.y, other.y), Math.max(one.y, other.y)];
    return right > box.x && left < box.x + box.width && bottom > box.y && top < box.y + box.height;
  });
}

export function distance(one: Point, other: Point): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}
