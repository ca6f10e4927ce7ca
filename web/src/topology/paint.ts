/** Draws a scene on a canvas. Lines of one look are one path: that is what keeps 500 workloads fluent. */

import { milliseconds, percent, rate } from "../format";
import { successState } from "../health";
import { kindOf } from "../kinds";
import { colour } from "../parts/colours";
import { type Box, type Camera, overlap, toPlane } from "./camera";
import { groupId, type Link, type Scene, type SceneNode } from "./graph";
import { type Layout, TITLE_HEIGHT } from "./layout";
import { nameSize, NUMBERS_FROM, shortened } from "./names";
import { arrow, middle, trace } from "./route";

export interface Picture {
  scene: Scene;
  layout: Layout;
  camera: Camera;
  width: number;
  height: number;
  /** What is pointed at, with its neighbours: all else is dimmed. */
  near: ReadonlySet<string> | null;
  chosenLink: string | null;
}

const FONT = "system-ui, sans-serif";
const TEXT_FROM = 0.25;
const LABELS_FROM = 0.85;
const DIM = 0.18;
const STATE_COLOURS = { ok: "--ok", warn: "--warn", fail: "--fail", unknown: "--line-strong" } as const;

function lineWidth(link: Link): number {
  const traffic = link.rps ?? (link.tcp ?? 0) / 10;
  return traffic <= 0 ? 1 : traffic < 10 ? 1.5 : traffic < 100 ? 2.5 : 3.5;
}

function linkColour(link: Link): string {
  return STATE_COLOURS[successState(link.success)];
}

export function paint(context: CanvasRenderingContext2D, picture: Picture, ratio: number): void {
  const { camera, width, height } = picture;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = colour("--ground");
  context.fillRect(0, 0, width, height);
  context.setTransform(ratio * camera.scale, 0, 0, ratio * camera.scale, ratio * camera.x, ratio * camera.y);
  const corner = toPlane(camera, { x: 0, y: 0 });
  const view = { ...corner, width: width / camera.scale, height: height / camera.scale };
  paintGroups(context, picture, view);
  paintLinks(context, picture, view);
  // What is pointed at may cover workloads; all labels at once may not.
  const isAtRest = picture.near === null;
  if (isAtRest && camera.scale >= LABELS_FROM) paintLabels(context, picture, view);
  paintNodes(context, picture, view);
  paintNames(context, picture, view);
  if (!isAtRest) paintLabels(context, picture, view);
  context.globalAlpha = 1;
}

function paintGroups(context: CanvasRenderingContext2D, { scene, layout, camera }: Picture, view: Box): void {
  context.lineWidth = 1 / Math.min(1, camera.scale);
  for (const name of scene.groups) {
    const box = layout.groups.get(groupId(name));
    if (!box || !overlap(box, view)) continue;
    context.fillStyle = colour("--card");
    context.strokeStyle = colour("--line-strong");
    context.beginPath();
    context.roundRect(box.x, box.y, box.width, box.height, 10);
    context.fill();
    context.stroke();
  }
}

/** Names of namespaces stay readable however far away one looks, above all lines. */
function paintNames(context: CanvasRenderingContext2D, { scene, layout, camera }: Picture, view: Box): void {
  const size = titleSize(camera.scale);
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.font = `650 ${size}px ${FONT}`;
  for (const name of scene.groups) {
    const box = layout.groups.get(groupId(name));
    if (!box || !overlap(titleBox(box, camera.scale), view)) continue;
    const { x, y, height } = titleBox(box, camera.scale);
    const width = Math.min(box.width, context.measureText(`▾ ${name}`).width + size);
    context.globalAlpha = 0.85;
    context.fillStyle = colour("--card");
    context.fillRect(x + 2, y + 2, width, height - 2);
    context.globalAlpha = 1;
    context.fillStyle = colour("--text");
    context.fillText(`▾ ${name}`, x + size * 0.6, y + height / 2 + 1, box.width - size);
  }
}

function titleSize(scale: number): number {
  return Math.min(14 / Math.min(1, scale), 72);
}

/** Where a namespace's name stands and is clicked. */
export function titleBox(box: Box, scale: number): Box {
  const height = Math.max(TITLE_HEIGHT, titleSize(scale) * 1.3);
  // What is higher than the place kept for it grows upwards, out of the frame.
  return { x: box.x, y: box.y + TITLE_HEIGHT - height, width: box.width, height };
}

function isDimmed({ near, chosenLink }: Picture, link: Link): boolean {
  if (chosenLink !== null) return link.id !== chosenLink;
  return near !== null && !(near.has(link.src) && near.has(link.dst));
}

interface Style {
  path: Path2D;
  colour: string;
  width: number;
  isOpen: boolean;
  isDim: boolean;
}

function paintLinks(context: CanvasRenderingContext2D, picture: Picture, view: Box): void {
  const styles = new Map<string, Style>();
  for (const link of picture.scene.links) {
    const found = picture.layout.routes.get(link.id);
    if (!found || !overlap(found.bounds, view)) continue;
    const look = { colour: linkColour(link), width: lineWidth(link), isOpen: link.secured === false, isDim: isDimmed(picture, link) };
    const key = JSON.stringify(look);
    const style = styles.get(key) ?? { ...look, path: new Path2D() };
    styles.set(key, style);
    trace(style.path, found);
    if (picture.camera.scale >= TEXT_FROM) arrow(style.path, found);
  }
  // What is pointed at lies above all that it crosses, with a border that cuts the others.
  const inOrder = [...styles.values()].sort((one, other) => Number(other.isDim) - Number(one.isDim));
  const width = (thin: number) => thin / Math.min(1, picture.camera.scale * 1.6);
  for (const { path, colour: name, width: thin, isOpen, isDim } of inOrder) {
    if (picture.near !== null && !isDim) {
      context.globalAlpha = 1;
      context.strokeStyle = colour("--card");
      context.lineWidth = width(thin + 4);
      context.setLineDash([]);
      context.stroke(path);
    }
    context.globalAlpha = isDim ? DIM : 0.9;
    context.strokeStyle = colour(name);
    context.lineWidth = width(thin);
    context.setLineDash(isOpen ? [7, 5] : []);
    context.stroke(path);
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
}

function paintNodes(context: CanvasRenderingContext2D, picture: Picture, view: Box): void {
  const { scene, layout, near, camera } = picture;
  for (const node of scene.nodes) {
    const box = layout.nodes.get(node.id);
    if (!box || !overlap(box, view)) continue;
    context.globalAlpha = near && !near.has(node.id) ? DIM : 1;
    paintBox(context, node, box, camera.scale);
    if (camera.scale >= TEXT_FROM) paintText(context, node, box, camera.scale);
  }
  context.globalAlpha = 1;
}

function paintBox(context: CanvasRenderingContext2D, node: SceneNode, box: Box, scale: number): void {
  const state = successState(node.success);
  context.fillStyle = colour("--raised");
  context.strokeStyle = colour(state === "unknown" ? "--line-strong" : STATE_COLOURS[state]);
  context.lineWidth = (state === "fail" ? 2.5 : 1.2) / Math.min(1, scale * 1.6);
  context.setLineDash(node.meshed === false ? [5, 4] : []);
  context.beginPath();
  context.roundRect(box.x, box.y, box.width, box.height, 7);
  context.fill();
  context.stroke();
  context.setLineDash([]);
  if (state === "unknown") return;
  context.fillStyle = colour(STATE_COLOURS[state]);
  context.fillRect(box.x, box.y + 8, 4, box.height - 16);
}

const SIGNS = { ok: "✓ ", warn: "▲ ", fail: "✕ ", unknown: "" };

function paintText(context: CanvasRenderingContext2D, node: SceneNode, box: Box, scale: number): void {
  const hasNumbers = scale >= NUMBERS_FROM;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillStyle = colour("--text");
  const size = nameSize(scale);
  context.font = `600 ${size}px ${FONT}`;
  const name = node.inside > 0 ? `▸ ${node.name}` : node.name;
  context.fillText(shortened(name, (box.width - 20) / size), box.x + 12, box.y + (hasNumbers ? 15 : box.height / 2), box.width - 16);
  if (!hasNumbers) return;
  context.fillStyle = colour("--quiet");
  context.font = `11px ${FONT}`;
  const what = node.inside > 0 ? `${node.inside} workloads` : kindOf(node.kind).one;
  const numbers = node.rps === null ? what : `${SIGNS[successState(node.success)]}${percent(node.success, 1)} · ${rate(node.rps)}/s · ${milliseconds(node.p99)}`;
  context.fillText(numbers, box.x + 12, box.y + 32, box.width - 20);
}

/** The numbers of links, where there is room for them or where one points. */
function paintLabels(context: CanvasRenderingContext2D, picture: Picture, view: Box): void {
  context.textAlign = "center";
  context.textBaseline = "middle";
  const size = 10.5 / Math.min(1, picture.camera.scale);
  context.font = `${size}px ${FONT}`;
  for (const link of picture.scene.links) {
    const found = picture.layout.routes.get(link.id);
    if (!found || isDimmed(picture, link)) continue;
    const place = middle(found);
    if (overlap({ ...place, width: 1, height: 1 }, view)) paintLabel(context, link, place, size);
  }
}

function paintLabel(context: CanvasRenderingContext2D, link: Link, { x, y }: { x: number; y: number }, size: number): void {
  const lines = linkLines(link);
  const width = Math.max(...lines.map((line) => context.measureText(line).width)) + 2.6 * size;
  const height = lines.length * size * 1.35;
  context.globalAlpha = 0.9;
  context.fillStyle = colour("--ground");
  context.fillRect(x - width / 2, y - height / 2, width, height);
  context.globalAlpha = 1;
  context.fillStyle = colour(link.secured === false ? "--fail" : "--quiet");
  const first = y - ((lines.length - 1) * size * 1.35) / 2;
  lines.forEach((line, index) => context.fillText(line, x + size * 0.6, first + index * size * 1.35));
  if (link.secured !== null) paintLock(context, x - context.measureText(lines[0] ?? "").width / 2 - size * 0.4, first, size * 0.8, link.secured);
}

/** Closed for mutual TLS; open, with its bow to the side, without. */
function paintLock(context: CanvasRenderingContext2D, x: number, y: number, size: number, isClosed: boolean): void {
  context.setLineDash([]);
  context.lineWidth = size / 7;
  context.strokeStyle = colour(isClosed ? "--ok" : "--fail");
  context.fillStyle = context.strokeStyle;
  context.fillRect(x - size * 0.4, y - size * 0.05, size * 0.8, size * 0.55);
  context.beginPath();
  context.arc(x + (isClosed ? 0 : size * 0.4), y - size * 0.1, size * 0.27, Math.PI, 0);
  context.stroke();
}

export function linkLines(link: Link): string[] {
  if (link.rps === null) return [`TCP ${link.tcp ?? 0}`];
  return [`${rate(link.rps)}/s`, `${percent(link.success, 1)} · ${milliseconds(link.p99)}`];
}
