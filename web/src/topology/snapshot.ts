/** A picture of the graph and its surroundings, moved and scaled while a hand moves it. */

import type { Camera } from "./camera";

interface Size {
  width: number;
  height: number;
}

/** On each side, of the view's size: how far one can drag before it must be drawn anew. */
const MARGIN = 0.5;
/** Beyond this the picture's pixels would be seen. */
const MOST_ZOOM = 2;

export type Painter = (context: CanvasRenderingContext2D, camera: Camera, size: Size, ratio: number) => void;

/** The camera that shows the same in a view that has a margin around it. */
export function widened(camera: Camera, { width, height }: Size): Camera {
  return { ...camera, x: camera.x + width * MARGIN, y: camera.y + height * MARGIN };
}

/** Where the picture of one camera lies for another, in pixels of the view. */
export function placed(taken: Camera, now: Camera, { width, height }: Size): { x: number; y: number; zoom: number } {
  const zoom = now.scale / taken.scale;
  const wide = widened(taken, { width, height });
  return { x: now.x - wide.x * zoom, y: now.y - wide.y * zoom, zoom };
}

/** Whether the picture still fills the view, and is sharp enough. */
export function covers(taken: Camera, now: Camera, size: Size): boolean {
  const { x, y, zoom } = placed(taken, now, size);
  const whole = 1 + 2 * MARGIN;
  const right = x + size.width * whole * zoom;
  const bottom = y + size.height * whole * zoom;
  return zoom <= MOST_ZOOM && x <= 0 && y <= 0 && right >= size.width && bottom >= size.height;
}

export class Snapshot {
  private readonly canvas = document.createElement("canvas");
  private taken: Camera | null = null;
  private size: Size = { width: 0, height: 0 };

  forget(): void {
    this.taken = null;
  }

  /** Draws the view from the picture; takes a new one when the old one does not reach. */
  show(target: CanvasRenderingContext2D, camera: Camera, size: Size, ratio: number, paint: Painter): void {
    const isSame = this.size.width === size.width && this.size.height === size.height;
    if (this.taken === null || !isSame || !covers(this.taken, camera, size)) this.take(camera, size, ratio, paint);
    const taken = this.taken ?? camera;
    const { x, y, zoom } = placed(taken, camera, size);
    target.setTransform(1, 0, 0, 1, 0, 0);
    target.drawImage(this.canvas, x * ratio, y * ratio, this.canvas.width * zoom, this.canvas.height * zoom);
  }

  private take(camera: Camera, size: Size, ratio: number, paint: Painter): void {
    const whole = { width: size.width * (1 + 2 * MARGIN), height: size.height * (1 + 2 * MARGIN) };
    this.canvas.width = Math.round(whole.width * ratio);
    this.canvas.height = Math.round(whole.height * ratio);
    const context = this.canvas.getContext("2d", { alpha: false });
    if (context) paint(context, widened(camera, size), whole, ratio);
    this.taken = camera;
    this.size = size;
  }
}
