/** The columns of golden metrics, the same in every table of workloads. */

import type { Row } from "../api/types";
import { bytes, count, meshed, milliseconds, percent, rate } from "../format";
import { meshedState } from "../health";
import { kindOf, pathOf } from "../kinds";
import { to } from "../router";
import { State, Success } from "./icons";
import { Sparkline } from "./sparkline";
import type { Column } from "./table";

export function rowKey(row: Row): string {
  return `${row.kind}/${row.namespace}/${row.name}/${row.leaf ?? ""}`;
}

export function rowText(row: Row): string {
  return `${row.namespace} ${row.name} ${row.status ?? ""} ${row.leaf ?? ""}`;
}

const NAME: Column<Row> = {
  id: "name",
  title: "Name",
  by: (row) => row.name,
  cell: (row) => (
    <a class="name" href={to(pathOf(row))}>
      {row.name}
    </a>
  ),
};

const KIND: Column<Row> = {
  id: "kind",
  title: "Kind",
  by: (row) => row.kind,
  cell: (row) => kindOf(row.kind).one,
};

const NAMESPACE: Column<Row> = {
  id: "namespace",
  title: "Namespace",
  by: (row) => row.namespace,
  cell: (row) => <a href={to(`/namespaces/${encodeURIComponent(row.namespace)}`)}>{row.namespace}</a>,
};

const MESHED: Column<Row> = {
  id: "meshed",
  title: "Meshed",
  isNumber: true,
  hint: "Pods with a proxy, of all running pods",
  by: (row) => (row.pods ? (row.meshed ?? 0) / row.pods : null),
  cell: (row) => <State state={meshedState(row)}>{meshed(row)}</State>,
};

const STATUS: Column<Row> = { id: "status", title: "Status", by: (row) => row.status, cell: (row) => row.status ?? "–" };

const SUCCESS: Column<Row> = {
  id: "success",
  title: "Success",
  isNumber: true,
  hint: "Share of requests that did not fail",
  by: (row) => row.success,
  cell: (row) => <Success share={row.success} />,
};

function number(id: "rps" | "tcp", title: string, hint: string, format: (value: Row["rps"]) => string): Column<Row> {
  return { id, title, hint, isNumber: true, by: (row) => row[id], cell: (row) => format(row[id]) };
}

function latency(id: "p50" | "p95" | "p99"): Column<Row> {
  const share = id.slice(1);
  return {
    id,
    title: id.toUpperCase(),
    isNumber: true,
    hint: `${share} % of requests were answered within this time`,
    by: (row) => row[id],
    cell: (row) => milliseconds(row[id]),
  };
}

const NUMBERS: readonly Column<Row>[] = [
  SUCCESS,
  number("rps", "Req/s", "Requests per second", rate),
  latency("p50"),
  latency("p95"),
  latency("p99"),
];

const TCP = number("tcp", "TCP", "Open TCP connections", count);

const BYTES: Column<Row> = {
  id: "bytes",
  title: "Read / write",
  isNumber: true,
  hint: "Bytes per second over TCP",
  by: (row) => (row.readBytes === null && row.writeBytes === null ? null : (row.readBytes ?? 0) + (row.writeBytes ?? 0)),
  cell: (row) => `${bytes(row.readBytes)} / ${bytes(row.writeBytes)}`,
};

/** Beside its number, the way that it came. */
function withSpark(column: Column<Row>): Column<Row> {
  const { id, title, cell } = column;
  if (id !== "rps" && id !== "success" && id !== "p99") return column;
  const format = { rps: rate, success: (value: Row["rps"]) => percent(value), p99: milliseconds }[id];
  return {
    ...column,
    cell: (row) => (
      <span class={`with-spark of-${id}`}>
        {row.spark ? (
          <Sparkline values={row.spark[id]} label={`${title} of ${row.name}`} format={format} {...(id === "success" ? { ceiling: 1 } : {})} />
        ) : null}
        {cell(row)}
      </span>
    ),
  };
}

const SPLIT: readonly Column<Row>[] = [
  { id: "apex", title: "Apex", by: (row) => row.apex, cell: (row) => row.apex ?? "–" },
  { id: "leaf", title: "Leaf", by: (row) => row.leaf, cell: (row) => row.leaf ?? "–" },
  { id: "weight", title: "Weight", isNumber: true, by: (row) => Number(row.weight ?? 0), cell: (row) => row.weight ?? "–" },
];

export interface Shape {
  kind: string;
  withNamespace?: boolean;
  withKind?: boolean;
  withSparks?: boolean;
}

/** Of what is listed: a split has leaves, a Service has no pods of its own, and bytes are not told apart by peer. */
export function columnsOf({ kind, withNamespace, withKind, withSparks }: Shape): Column<Row>[] {
  const columns: Column<Row>[] = [NAME];
  if (withKind) columns.push(KIND);
  if (withNamespace && kind !== "namespace") columns.push(NAMESPACE);
  if (kind === "pod") columns.push(STATUS);
  if (kind === "trafficsplit") columns.push(...SPLIT);
  else if (kind !== "service" && kind !== "peer") columns.push(MESHED);
  columns.push(...(withSparks ? NUMBERS.map(withSpark) : NUMBERS));
  if (kind !== "trafficsplit") columns.push(TCP);
  if (kind !== "trafficsplit" && kind !== "peer") columns.push(BYTES);
  return columns;
}
