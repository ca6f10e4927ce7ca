/** What a tap or top watches, as the form, the URL, the server and the terminal name it. */

export interface Target {
  kind: string;
  namespace: string;
  name: string;
}

export interface Filters {
  toKind: string;
  toNamespace: string;
  toName: string;
  scheme: string;
  method: string;
  authority: string;
  path: string;
  maxRps: string;
}

export type Wanted = Target & Filters;

export const NO_FILTERS: Filters = {
  toKind: "",
  toNamespace: "",
  toName: "",
  scheme: "",
  method: "",
  authority: "",
  path: "",
  maxRps: "",
};

export function wantedOf(query: URLSearchParams): Wanted {
  const found: Wanted = { kind: query.get("kind") ?? "deployment", namespace: query.get("namespace") ?? "default", name: query.get("name") ?? "", ...NO_FILTERS };
  for (const key of Object.keys(NO_FILTERS) as (keyof Filters)[]) found[key] = query.get(key) ?? "";
  return found;
}

/** Safe in a shell, as single words. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

/** What shows the same in a terminal. */
export function command(verb: "tap" | "top", wanted: Wanted): string {
  const words = ["tulle", "viz", verb];
  if (wanted.kind === "namespace") words.push(`namespace/${wanted.namespace}`);
  else words.push(wanted.name ? `${wanted.kind}/${wanted.name}` : wanted.kind, "-n", wanted.namespace);
  if (wanted.toKind) {
    words.push("--to", wanted.toName ? `${wanted.toKind}/${wanted.toName}` : wanted.toKind);
    if (wanted.toNamespace) words.push("--to-namespace", wanted.toNamespace);
  }
  const flags: [string, string][] = [
    ["--scheme", wanted.scheme],
    ["--method", wanted.method],
    ["--authority", wanted.authority],
    ["--path", wanted.path],
    ["--max-rps", wanted.maxRps],
  ];
  for (const [flag, value] of flags) if (value) words.push(flag, value);
  return words.map(quoted).join(" ");
}
