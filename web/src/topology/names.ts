/** How large a workload's name is drawn, and how much of it. Pure. */

/** The scale from which its numbers stand below it. */
export const NUMBERS_FROM = 0.75;
/** Of a name on the screen, in pixels, however far away one looks. */
const LEAST_NAME = 10;

/** In the layout's pixels. */
export function nameSize(scale: number): number {
  return scale >= NUMBERS_FROM ? 13 : Math.max(17, LEAST_NAME / scale);
}

const EMS_PER_LETTER = 0.56;

/** As much of a name as stands in so many ems. */
export function shortened(name: string, ems: number): string {
  const most = Math.max(3, Math.floor(ems / EMS_PER_LETTER));
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}
