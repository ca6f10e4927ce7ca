/** Search by keyboard: `/` or ctrl-k, words, arrows, enter. */

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { address, ask, Failure } from "../api/client";
import { KINDS, kindOf, pathOf, type Named } from "../kinds";
import { go, to } from "../router";
import { matches } from "./order";

const isOpen = signal(false);

export function openSearch(): void {
  isOpen.value = true;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function listenForSearch(): void {
  document.addEventListener("keydown", (event) => {
    const isSlash = event.key === "/" && !isTyping(event.target) && !event.ctrlKey && !event.metaKey;
    const isControlK = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey);
    if (!isSlash && !isControlK) return;
    event.preventDefault();
    openSearch();
  });
}

interface Hit {
  title: string;
  note: string;
  path: string;
}

const PAGES: readonly Hit[] = [
  ...["Overview /", "Topology /topology", "Namespaces /namespaces", "Edges /edges", "Routes /routes", "Tap /tap", "Top /top"].map(
    (words) => {
      const [title = "", path = ""] = words.split(" ");
      return { title, note: "page", path };
    },
  ),
  ...KINDS.map(({ title, plural }) => ({ title, note: "list", path: `/${plural}` })),
];

function hits(found: readonly Named[], words: string): Hit[] {
  const objects = found.map((one) => ({
    title: one.name,
    note: one.kind === "namespace" ? "Namespace" : `${kindOf(one.kind).one} in ${one.namespace}`,
    path: pathOf(one),
  }));
  return [...objects, ...PAGES.filter(({ title }) => matches(title, words))].slice(0, 30);
}

function useHits(words: string): { found: Hit[]; problem: string } {
  const [result, setResult] = useState<{ found: Hit[]; problem: string }>({ found: hits([], words), problem: "" });
  useEffect(() => {
    const abort = new AbortController();
    const search = async () => {
      try {
        const { results } = await ask<{ results: Named[] }>(address("/api/search", { q: words }), { signal: abort.signal });
        setResult({ found: hits(results, words), problem: "" });
      } catch (error) {
        if (abort.signal.aborted) return;
        const problem = error instanceof Failure ? `${error.message} ${error.hint}` : String(error);
        setResult({ found: hits([], words), problem });
      }
    };
    if (words.trim()) void search();
    else setResult({ found: [...PAGES], problem: "" });
    return () => abort.abort();
  }, [words]);
  return result;
}

export function Search() {
  return isOpen.value ? <Dialog /> : null;
}

// The types know of comboboxes with a `list` only.
const COMBOBOX = { type: "text", role: "combobox" } as object;

function stepOf(key: string): number {
  return key === "ArrowDown" ? 1 : key === "ArrowUp" ? -1 : 0;
}

function Dialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [words, setWords] = useState("");
  const [chosen, setChosen] = useState(0);
  const { found, problem } = useHits(words);
  const close = () => {
    isOpen.value = false;
  };
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const choose = (hit: Hit | undefined) => {
    if (!hit) return;
    close();
    go(to(hit.path));
  };
  const key = (event: KeyboardEvent) => {
    const way = stepOf(event.key);
    if (way === 0 && event.key !== "Enter") return;
    event.preventDefault();
    if (way === 0) choose(found[chosen]);
    else setChosen((chosen + way + found.length) % Math.max(1, found.length));
  };
  return (
    <dialog ref={dialog} class="search" aria-label="Search" onClose={close} onClick={(event) => (event.target === dialog.current ? close() : undefined)}>
      <input
        {...COMBOBOX}
        aria-label="Search for a workload, a namespace or a page"
        aria-expanded="true"
        aria-controls="hits"
        aria-activedescendant={found.length > 0 ? `hit-${chosen}` : ""}
        placeholder="Workload, namespace or page"
        value={words}
        autofocus
        onKeyDown={key}
        onInput={(event) => {
          setWords(event.currentTarget.value);
          setChosen(0);
        }}
      />
      <Hits found={found} chosen={chosen} choose={choose} />
      <p class="quiet search-foot" role="status">
        {problem || (found.length === 0 ? "Nothing has that name. Shorten it, or look at the lists." : "↑ ↓ to choose, Enter to open, Esc to leave")}
      </p>
    </dialog>
  );
}

function Hits({ found, chosen, choose }: { found: readonly Hit[]; chosen: number; choose: (hit: Hit) => void }) {
  return (
    <ul id="hits" role="listbox" aria-label="Found">
      {found.map((hit, index) => (
        <li
          key={hit.path}
          id={`hit-${index}`}
          role="option"
          aria-selected={index === chosen}
          ref={(element) => (index === chosen ? element?.scrollIntoView({ block: "nearest" }) : undefined)}
          onClick={() => choose(hit)}
        >
          <span>{hit.title}</span>
          <span class="quiet">{hit.note}</span>
        </li>
      ))}
    </ul>
  );
}
