/** One canvas: its camera, what the pointer does to it, and when it is drawn anew. */

import { type Camera, contains, pan, type Point as Place, toPlane, zoom } from "./camera";
import { groupId, type Link, neighbours } from "./graph";
import { paint, titleBox } from "./paint";
import { distance, isNear } from "./route";
import { type Painter, Snapshot } from "./snapshot";
import type { Placed, Point } from "./view";

interface Size {
  width: number;
  height: number;
}

const CLICK_PIXELS = 5;
const LINK_PIXELS = 7;
const KEY_PIXELS = 60;
/** From here on a moved graph is shown as a picture, and drawn anew when it rests. */
const MANY = 250;
const REST_MS = 160;

export class Stage {
  private placed: Placed | null = null;
  private camera: Camera = { x: 0, y: 0, scale: 1 };
  private pointed: Point | null = null;
  private frame = 0;
  private rest = 0;
  private isMoving = false;
  private readonly snapshot = new Snapshot();
  private fingers = new Map<number, Place>();
  private began: Place | null = null;
  private readonly observer: ResizeObserver;
  private readonly abort = new AbortController();

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly point: (point: Point | null) => void,
    private readonly open: (point: Point) => void,
  ) {
    this.observer = new ResizeObserver(() => this.refresh());
    this.observer.observe(canvas);
    const { signal } = this.abort;
    canvas.addEventListener("wheel", this.onWheel, { passive: false, signal });
    canvas.addEventListener("pointerdown", this.onDown, { signal });
    canvas.addEventListener("pointermove", this.onMove, { signal });
    canvas.addEventListener("pointerup", this.onUp, { signal });
    canvas.addEventListener("pointercancel", this.onLeave, { signal });
    canvas.addEventListener("pointerleave", this.onLeave, { signal });
    canvas.addEventListener("keydown", this.onKey, { signal });
  }

  end(): void {
    this.abort.abort();
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    window.clearTimeout(this.rest);
  }

  size(): { width: number; height: number } {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  show(placed: Placed): void {
    this.placed = placed;
    this.refresh();
  }

  look(camera: Camera): void {
    this.camera = camera;
    this.refresh();
  }

  /** By hand: many times a second. */
  private move(camera: Camera): void {
    this.camera = camera;
    this.isMoving = true;
    window.clearTimeout(this.rest);
    this.rest = window.setTimeout(() => {
      this.isMoving = false;
      this.refresh();
    }, REST_MS);
    this.frame ||= requestAnimationFrame(this.draw);
  }

  zoomBy(factor: number): void {
    const { width, height } = this.size();
    this.look(zoom(this.camera, factor, { x: width / 2, y: height / 2 }));
  }

  refresh(): void {
    this.snapshot.forget();
    this.frame ||= requestAnimationFrame(this.draw);
  }

  private draw = (): void => {
    this.frame = 0;
    const context = this.canvas.getContext("2d", { alpha: false });
    if (!context || !this.placed) return;
    const { width, height } = this.size();
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== wide || this.canvas.height !== high) [this.canvas.width, this.canvas.height] = [wide, high];
    this.paintAll(context, this.placed, { width, height }, ratio);
    // For those who measure: how many pictures were drawn.
    this.canvas.dataset["frames"] = String(Number(this.canvas.dataset["frames"] ?? 0) + 1);
  };

  private paintAll(context: CanvasRenderingContext2D, shown: Placed, size: Size, ratio: number): void {
    const attention = this.attention();
    const isMany = shown.scene.nodes.length + shown.scene.links.length / 4 > MANY;
    const painter: Painter = (target, camera, whole) => paint(target, { ...shown, ...attention, ...whole, camera }, ratio);
    if (this.isMoving && isMany) this.snapshot.show(context, this.camera, size, ratio, painter);
    else painter(context, this.camera, size, ratio);
  }

  private attention(): { near: ReadonlySet<string> | null; chosenLink: string | null } {
    const links = this.placed?.scene.links ?? [];
    if (this.pointed?.kind === "node") return { near: neighbours(links, this.pointed.id), chosenLink: null };
    const link = this.pointed?.kind === "link" ? links.find(({ id }) => id === this.pointed?.id) : undefined;
    return link ? { near: new Set([link.src, link.dst]), chosenLink: link.id } : { near: null, chosenLink: null };
  }

  private place(event: MouseEvent): Place {
    const { left, top } = this.canvas.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  private onWheel = (event: WheelEvent): void => {
    // A page longer than the screen must still be scrolled past the graph.
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== this.canvas) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    this.move(zoom(this.camera, Math.exp(-event.deltaY * lines * 0.0015), this.place(event)));
  };

  private onDown = (event: PointerEvent): void => {
    this.canvas.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, this.place(event));
    this.began = this.fingers.size === 1 ? this.place(event) : null;
  };

  private onMove = (event: PointerEvent): void => {
    const before = this.fingers.get(event.pointerId);
    const now = this.place(event);
    if (!before) {
      this.pointAt(now);
      return;
    }
    this.fingers.set(event.pointerId, now);
    const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const factor = distance(now, other) / Math.max(1, distance(before, other));
      this.move(zoom(this.camera, factor, other));
    } else {
      this.move(pan(this.camera, { x: now.x - before.x, y: now.y - before.y }));
    }
  };

  private onUp = (event: PointerEvent): void => {
    this.fingers.delete(event.pointerId);
    const end = this.place(event);
    if (this.began === null || distance(this.began, end) > CLICK_PIXELS) return;
    const found = this.under(end);
    this.pointAt(end);
    if (found && found.kind !== "link") this.open(found);
  };

  private onLeave = (event: PointerEvent): void => {
    this.fingers.delete(event.pointerId);
    if (event.pointerType === "mouse") this.setPointed(null);
  };

  private onKey = (event: KeyboardEvent): void => {
    const ways: Record<string, Place> = {
      ArrowLeft: { x: KEY_PIXELS, y: 0 },
      ArrowRight: { x: -KEY_PIXELS, y: 0 },
      ArrowUp: { x: 0, y: KEY_PIXELS },
      ArrowDown: { x: 0, y: -KEY_PIXELS },
    };
    const way = ways[event.key];
    if (way) this.look(pan(this.camera, way));
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.25);
    else if (event.key === "-") this.zoomBy(0.8);
    else return;
    event.preventDefault();
  };

  private pointAt(at: Place): void {
    this.setPointed(this.under(at));
  }

  private setPointed(found: Point | null): void {
    if (found?.id === this.pointed?.id) return;
    this.pointed = found;
    this.canvas.classList.toggle("is-over", found !== null && found.kind !== "link");
    this.point(found);
    this.refresh();
  }

  private under(at: Place): Point | null {
    if (!this.placed) return null;
    const { scene, layout } = this.placed;
    const place = toPlane(this.camera, at);
    for (const [id, box] of layout.nodes) if (contains(box, place)) return { kind: "node", id };
    const link = this.linkUnder(scene.links, place);
    if (link) return { kind: "link", id: link.id };
    for (const name of scene.groups) {
      const box = layout.groups.get(groupId(name));
      if (box && contains(titleBox(box, this.camera.scale), place)) return { kind: "group", id: name };
    }
    return null;
  }

  private linkUnder(links: readonly Link[], place: Place): Link | undefined {
    const reach = LINK_PIXELS / this.camera.scale;
    return links.find(({ id }) => {
      const found = this.placed?.layout.routes.get(id);
      return found && isNear(found, place, reach);
    });
  }
}
