/** Tables of what is no workload: edges, routes, certificates. */

import type { ComponentChildren } from "preact";
import type { Certificate, Edge, Ref, RouteRow } from "../api/types";
import { count, dateTime, milliseconds, rate, until } from "../format";
import { certificateState } from "../health";
import { kindOf, pathOf } from "../kinds";
import { to } from "../router";
import { now } from "../time";
import { Secured, State, Success } from "./icons";
import { Table, type Column } from "./table";

export function End({ end, near }: { end: Ref; near?: string }) {
  return (
    <span class="end">
      <a class="name" href={to(pathOf(end))}>
        {end.name}
      </a>
      <span class="quiet">
        {kindOf(end.kind).one}
        {near === end.namespace ? "" : ` in ${end.namespace}`}
      </span>
    </span>
  );
}

function endText({ kind, namespace, name }: Ref): string {
  return `${namespace} ${kind} ${name}`;
}

function edgeColumns(near: string | undefined): Column<Edge>[] {
  const end = (side: "src" | "dst", title: string): Column<Edge> => ({
    id: side,
    title,
    by: (edge) => `${edge[side].name} ${edge[side].namespace}`,
    cell: (edge) => <End end={edge[side]} {...(near ? { near } : {})} />,
  });
  return [
    end("src", "From"),
    end("dst", "To"),
    {
      id: "secured",
      title: "Secured",
      by: (edge) => (edge.secured === null ? null : Number(edge.secured)),
      cell: (edge) => <Secured secured={edge.secured} reason={edge.reason} />,
    },
    { id: "rps", title: "Req/s", isNumber: true, by: (edge) => edge.rps, cell: (edge) => rate(edge.rps) },
    {
      id: "success",
      title: "Success",
      isNumber: true,
      by: (edge) => edge.success,
      cell: (edge) => <Success share={edge.success} />,
    },
    { id: "p99", title: "P99", isNumber: true, by: (edge) => edge.p99, cell: (edge) => milliseconds(edge.p99) },
    { id: "tcp", title: "TCP", isNumber: true, by: (edge) => edge.tcp, cell: (edge) => count(edge.tcp) },
    {
      id: "identity",
      title: "Server identity",
      by: (edge) => edge.serverId,
      cell: (edge) => <span class="code wrap">{edge.serverId ?? ""}</span>,
    },
  ];
}

export function EdgeTable(props: { edges: readonly Edge[]; near?: string; inUrl?: string; empty: ComponentChildren }) {
  return (
    <Table
      label="Edges"
      columns={edgeColumns(props.near)}
      rows={props.edges}
      keyOf={({ src, dst, reason }) => `${endText(src)} ${endText(dst)} ${reason}`}
      text={({ src, dst, secured, reason }) => `${endText(src)} ${endText(dst)} ${secured ? "mutual TLS" : reason}`}
      empty={props.empty}
      {...(props.inUrl === undefined ? {} : { inUrl: props.inUrl })}
    />
  );
}

const ROUTES: readonly Column<RouteRow>[] = [
  { id: "route", title: "Route", by: (row) => row.route, cell: (row) => <span class="code wrap">{row.route}</span> },
  { id: "service", title: "Service", by: (row) => row.service, cell: (row) => row.service },
  {
    id: "success",
    title: "Success",
    isNumber: true,
    by: (row) => row.success,
    cell: (row) => <Success share={row.success} />,
  },
  { id: "rps", title: "Req/s", isNumber: true, by: (row) => row.rps, cell: (row) => rate(row.rps) },
  { id: "p50", title: "P50", isNumber: true, by: (row) => row.p50, cell: (row) => milliseconds(row.p50) },
  { id: "p95", title: "P95", isNumber: true, by: (row) => row.p95, cell: (row) => milliseconds(row.p95) },
  { id: "p99", title: "P99", isNumber: true, by: (row) => row.p99, cell: (row) => milliseconds(row.p99) },
];

export function RouteTable(props: { rows: readonly RouteRow[]; inUrl?: string; empty: ComponentChildren }) {
  return (
    <Table
      label="Routes"
      columns={ROUTES}
      rows={props.rows}
      keyOf={({ namespace, service, route }) => `${namespace ?? ""} ${service} ${route}`}
      text={({ namespace, service, route }) => `${namespace ?? ""} ${service} ${route}`}
      sort={{ column: "rps", descending: true }}
      empty={props.empty}
      {...(props.inUrl === undefined ? {} : { inUrl: props.inUrl })}
    />
  );
}

function certificateColumns(present: number): Column<Certificate>[] {
  return [
    { id: "pod", title: "Pod", by: (row) => row.pod, cell: (row) => row.pod },
    { id: "identity", title: "Identity", by: (row) => row.identity, cell: (row) => <span class="code wrap">{row.identity}</span> },
    { id: "issuer", title: "Issuer", by: (row) => row.issuer, cell: (row) => <span class="code wrap">{row.issuer}</span> },
    {
      id: "expires",
      title: "Expires",
      by: (row) => row.notAfter,
      cell: (row) => (
        <State state={certificateState(row.notBefore, row.notAfter, present)}>
          {row.notAfter === null ? "not known" : `${until(row.notAfter, present)} (${dateTime(row.notAfter)})`}
        </State>
      ),
    },
    { id: "version", title: "Proxy", by: (row) => row.proxyVersion, cell: (row) => row.proxyVersion || "–" },
  ];
}

export function CertificateTable({ rows, empty }: { rows: readonly Certificate[]; empty: ComponentChildren }) {
  // Minutes are enough here: a table that is drawn anew each second cannot be read out.
  const present = Math.floor(now.value / 60) * 60;
  return <Table label="Certificates" columns={certificateColumns(present)} rows={rows} keyOf={(row) => row.pod} empty={empty} />;
}
