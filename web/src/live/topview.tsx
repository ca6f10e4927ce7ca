/** Live requests counted by who, whom and what: renewed each second. */

import { useState } from "preact/hooks";
import { address } from "../api/client";
import type { TopRow } from "../api/types";
import { count, milliseconds } from "../format";
import { Success } from "../parts/icons";
import { Empty, Failed } from "../parts/states";
import { Table, type Column } from "../parts/table";
import { QueryForm } from "./form";
import { NO_FILTERS, type Target, type Wanted } from "./target";
import { useLive } from "./uselive";

function time(id: "best" | "worst" | "last", title: string): Column<TopRow> {
  return { id, title, isNumber: true, by: (row) => row[id], cell: (row) => milliseconds(row[id]) };
}

const COLUMNS: readonly Column<TopRow>[] = [
  { id: "source", title: "Source", by: (row) => row.source, cell: (row) => row.source },
  { id: "destination", title: "Destination", by: (row) => row.destination, cell: (row) => row.destination },
  { id: "method", title: "Method", by: (row) => row.method, cell: (row) => row.method },
  { id: "path", title: "Path", by: (row) => row.path, cell: (row) => <span class="code wrap">{row.path}</span> },
  { id: "count", title: "Count", isNumber: true, by: (row) => row.count, cell: (row) => count(row.count) },
  time("best", "Best"),
  time("worst", "Worst"),
  time("last", "Last"),
  {
    id: "success",
    title: "Success",
    isNumber: true,
    by: (row) => row.success,
    cell: (row) => <Success share={row.success} />,
  },
];

export function LiveTop({ target }: { target: Target }) {
  const [wanted, change] = useState<Wanted>({ ...NO_FILTERS, ...target });
  return <TopView wanted={wanted} change={change} fixed={target} />;
}

interface Props {
  wanted: Wanted;
  change: (wanted: Wanted) => void;
  fixed?: Target;
}

export function TopView({ wanted, change, fixed }: Props) {
  const [rows, setRows] = useState<TopRow[]>([]);
  const live = useLive((data) => {
    const newest = data[data.length - 1];
    if (Array.isArray(newest)) setRows(newest as TopRow[]);
  });
  const start = () => {
    setRows([]);
    live.start(address("/api/top", { ...wanted }));
  };
  return (
    <div class="stack">
      <QueryForm verb="top" wanted={wanted} change={change} isRunning={live.isRunning} start={start} stop={live.stop} {...(fixed ? { fixed } : {})} />
      {live.failure ? <Failed message={live.failure.message} hint={live.failure.hint} again={start} /> : null}
      <Table
        label="Top requests"
        columns={COLUMNS}
        rows={rows}
        keyOf={(row) => `${row.source} ${row.destination} ${row.method} ${row.path}`}
        text={(row) => `${row.source} ${row.destination} ${row.method} ${row.path}`}
        inUrl="top"
        sort={{ column: "count", descending: true }}
        empty={live.failure ? null : <Nothing isRunning={live.isRunning} />}
      />
    </div>
  );
}

function Nothing({ isRunning }: { isRunning: boolean }) {
  if (isRunning) return <Empty title="Waiting for the first request …">Only requests of pods with a proxy are counted. Send one, or take a filter away.</Empty>;
  return <Empty title="Nothing is counted yet.">Press Start to count live requests by source, destination, method and path.</Empty>;
}
