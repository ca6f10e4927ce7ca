/** From the layout's plane to the screen and back. Pure. */

export interface Point {
  x: number;
  y: number;
}

export interface Box extends Point {
  width: number;
  height: number;
}

/** Screen = plane × scale + offset, in CSS pixels. */
export interface Camera extends Point {
  scale: number;
}

export const LEAST_SCALE = 0.03;
export const MOST_SCALE = 3;
const MARGIN = 24;

export function fit(bounds: Box, view: { width: number; height: number }, most = 1): Camera {
  const wide = (view.width - 2 * MARGIN) / Math.max(1, bounds.width);
  const high = (view.height - 2 * MARGIN) / Math.max(1, bounds.height);
  const scale = Math.max(LEAST_SCALE, Math.min(most, wide, high));
  return {
    scale,
    x: (view.width - bounds.width * scale) / 2 - bounds.x * scale,
    y: (view.height - bounds.height * scale) / 2 - bounds.y * scale,
  };
}

/** What lies under the pointer stays there. */
export function zoom(camera: Camera, factor: number, at: Point): Camera {
  const scale = Math.min(MOST_SCALE, Math.max(LEAST_SCALE, camera.scale * factor));
  const real = scale / camera.scale;
  return { scale, x: at.x - (at.x - camera.x) * real, y: at.y - (at.y - camera.y) * real };
}

export function pan(camera: Camera, by: Point): Camera {
  return { ...camera, x: camera.x + by.x, y: camera.y + by.y };
}

export function toPlane(camera: Camera, at: Point): Point {
  return { x: (at.x - camera.x) / camera.scale, y: (at.y - camera.y) / camera.scale };
}

export function centred(camera: Camera, box: Box, view: { width: number; height: number }): Camera {
  const scale = Math.max(camera.scale, 0.9);
  return {
    scale,
    x: view.width / 2 - (box.x + box.width / 2) * scale,
    y: view.height / 2 - (box.y + box.height / 2) * scale,
  };
}

export function contains(box: Box, { x, y }: Point): boolean {
  return x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height;
}

export function overlap(one: Box, other: Box): boolean {
  return one.x < other.x + other.width && other.x < one.x + one.width && one.y < other.y + other.height && other.y < one.y + one.height;
}
