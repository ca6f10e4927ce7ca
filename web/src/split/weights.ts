/** Weights of a split: what they mean, and what may be chosen with one click. Pure. */

export interface Preset {
  title: string;
  weights: string[];
}

/** Each part of the whole; null where all weights are 0 or one cannot be read. */
export function shares(weights: readonly string[]): (number | null)[] {
  const counted = weights.map(units);
  const total = counted.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  return counted.map((value) => (value === null || total === 0 ? null : value / total));
}

/** In thousandths, as a TrafficSplit may count them: `500m`. */
function units(text: string): number | null {
  const found = /^(\d+(?:\.\d+)?)([mkM]?)$/.exec(text.trim());
  if (!found) return null;
  const times = { "": 1000, m: 1, k: 1_000_000, M: 1_000_000_000 }[found[2] ?? ""] ?? 1000;
  return Math.round(Number(found[1]) * times);
}

export function isWhole(text: string): boolean {
  return /^\d{1,7}$/.test(text.trim()) && Number(text) <= 1_000_000;
}

/** For two sides the steps of a rollout; for more: all to one of them, or all alike. */
export function presets(names: readonly string[]): Preset[] {
  if (names.length === 2) {
    return [100, 90, 50, 10, 0].map((first) => ({ title: `${first}/${100 - first}`, weights: [String(first), String(100 - first)] }));
  }
  const alike = { title: "All alike", weights: names.map(() => "1") };
  const single = names.map((name, index) => ({ title: `All to ${name}`, weights: names.map((_, other) => (other === index ? "100" : "0")) }));
  return [alike, ...single];
}

/** As the API takes it: whole numbers; a quantity, of TrafficSplits only, as it is. */
export function asked(weights: readonly string[]): (number | string)[] {
  return weights.map((text) => (isWhole(text) ? Number(text) : text.trim()));
}

export function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, index) => text.trim() === other[index]?.trim());
}

/** "90/10" */
export function shown(weights: readonly string[]): string {
  return weights.join("/");
}
