/** From when to when the charts show. */

/** The range ends now, or so that a moment of the past stands in it with what came after. */
export function bounds(moment: number | null, seconds: number, present: number): { from: number; to: number } {
  if (moment === null) return { from: present - seconds, to: present };
  const end = Math.min(present, moment + Math.floor(seconds / 2));
  return { from: end - seconds, to: end };
}
