/** One table for every list: sorts by a click on a heading, filters by words, keeps both in the URL. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { plural } from "../format";
import { place, setQuery } from "../router";
import { Icon } from "./icons";
import { matches, sorted, type Sort, sortOf, sortText, type Sortable } from "./order";

export interface Column<T> {
  id: string;
  title: string;
  cell: (row: T) => ComponentChildren;
  by?: (row: T) => Sortable;
  /** Numbers stand right and begin with the greatest. */
  isNumber?: boolean;
  /** What the heading means, for those who rest on it. */
  hint?: string;
}

interface Props<T> {
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string;
  /** The words that a filter looks in; without it there is no filter. */
  text?: (row: T) => string;
  /** Name of this table's words in the query; without it they are forgotten with the page. */
  inUrl?: string;
  sort?: Sort;
  empty: ComponentChildren;
}

const FIRST_ROWS = 150;

function useKept(name: string | undefined, word: string): [string, (value: string) => void] {
  const [own, setOwn] = useState("");
  if (name === undefined) return [own, setOwn];
  const key = name === "" ? word : `${name}.${word}`;
  return [place.value.query.get(key) ?? "", (value) => setQuery({ [key]: value })];
}

export function Table<T>(props: Props<T>) {
  const { label, columns, rows, keyOf, text } = props;
  const [sortWord, setSort] = useKept(props.inUrl, "sort");
  const [filter, setFilter] = useKept(props.inUrl, "q");
  const [shown, setShown] = useState(FIRST_ROWS);
  const sort = sortOf(sortWord) ?? props.sort;
  const by = columns.find((column) => column.id === sort?.column)?.by;
  const kept = text && filter ? rows.filter((row) => matches(text(row), filter)) : rows;
  const ordered = by && sort ? sorted(kept, by, sort.descending) : kept;
  if (rows.length === 0) return <>{props.empty}</>;
  return (
    <div class="table-box">
      {text && (rows.length > 5 || filter) ? (
        <Filter label={label} value={filter} set={setFilter} shown={kept.length} all={rows.length} />
      ) : null}
      <div class="table-scroll" role="group" aria-label={`${label}, table`} tabIndex={0}>
        <table>
          <Head columns={columns} sort={sort} setSort={(found) => setSort(sortText(found))} />
          <tbody>
            {ordered.slice(0, shown).map((row) => (
              <tr key={keyOf(row)}>
                {columns.map((column) => (
                  <td key={column.id} class={column.isNumber ? "number" : ""}>
                    {column.cell(row)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {kept.length === 0 ? <p class="quiet table-foot">No row has “{filter}” in it. Shorten the filter.</p> : null}
      {ordered.length > shown ? (
        <button type="button" class="table-more" onClick={() => setShown(shown + 500)}>
          Show more of {ordered.length} rows
        </button>
      ) : null}
    </div>
  );
}

function Filter(props: { label: string; value: string; set: (value: string) => void; shown: number; all: number }) {
  return (
    <div class="filter">
      <label>
        <span class="hidden">Filter {props.label}</span>
        <input
          type="search"
          placeholder="Filter"
          value={props.value}
          onInput={(event) => props.set(event.currentTarget.value)}
        />
      </label>
      <span class="quiet" role="status">
        {props.value ? `${props.shown} of ${props.all}` : plural(props.all, "row")}
      </span>
    </div>
  );
}

interface HeadProps<T> {
  columns: readonly Column<T>[];
  sort: Sort | undefined;
  setSort: (sort: Sort) => void;
}

function Head<T>({ columns, sort, setSort }: HeadProps<T>) {
  return (
    <thead>
      <tr>
        {columns.map((column) => {
          const isSorted = sort?.column === column.id;
          const way = isSorted ? (sort.descending ? "descending" : "ascending") : "none";
          const flip = isSorted ? !sort.descending : column.isNumber === true;
          return (
            <th key={column.id} scope="col" class={column.isNumber ? "number" : ""} aria-sort={way} title={column.hint}>
              {column.by ? (
                <button type="button" class="sort" onClick={() => setSort({ column: column.id, descending: flip })}>
                  {column.title}
                  <span class={`sort-mark sort-${way}`}>
                    <Icon name="down" />
                  </span>
                </button>
              ) : (
                column.title
              )}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}
