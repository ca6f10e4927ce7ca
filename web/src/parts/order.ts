/** How rows are sorted and filtered. */

export type Sortable = string | number | null | undefined;

export interface Sort {
  column: string;
  descending: boolean;
}

/** "-rps" is by rps, the greatest first. */
export function sortOf(word: string): Sort | undefined {
  if (!word) return undefined;
  return word.startsWith("-") ? { column: word.slice(1), descending: true } : { column: word, descending: false };
}

export function sortText({ column, descending }: Sort): string {
  return descending ? `-${column}` : column;
}

const words = new Intl.Collator("en", { numeric: true });

/** What is not known stands last, whichever way it is sorted. */
export function sorted<T>(rows: readonly T[], by: (row: T) => Sortable, descending: boolean): T[] {
  const way = descending ? -1 : 1;
  return [...rows].sort((one, other) => {
    const [a, b] = [by(one), by(other)];
    const [noA, noB] = [a === null || a === undefined, b === null || b === undefined];
    if (noA || noB) return Number(noA) - Number(noB);
    if (typeof a === "number" && typeof b === "number") return way * (a - b);
    return way * words.compare(String(a), String(b));
  });
}

/** Every word of the filter must be in the text. */
export function matches(text: string, filter: string): boolean {
  const found = text.toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => found.includes(word));
}
