/** All of one object: who calls it, whom it calls, its pods, routes, edges, certificates, requests. */

import { address, sentence } from "../api/client";
import { usePoll } from "../api/poll";
import type { Row, Workload } from "../api/types";
import { count, meshed, milliseconds, rate } from "../format";
import { meshedState } from "../health";
import type { Kind } from "../kinds";
import { State, Success } from "../parts/icons";
import { HistoryCharts } from "../parts/history";
import { columnsOf, rowKey, rowText } from "../parts/columns";
import { Page, Section } from "../parts/page";
import { Empty, Polled } from "../parts/states";
import { Table } from "../parts/table";
import { CertificateTable, EdgeTable, RouteTable } from "../parts/tables";
import { Tabs, type Tab } from "../parts/tabs";
import { to } from "../router";
import { everySeconds, session } from "../session";
import { at, range } from "../time";
import { LiveTap } from "../live/tapview";
import { LiveTop } from "../live/topview";
import { ProfileEditor } from "./profile";
import { SplitPanel } from "./split";

interface Props {
  kind: Kind;
  namespace: string;
  name: string;
}

export function WorkloadPage({ kind, namespace, name }: Props) {
  const path = ["/api/workloads", kind.kind, namespace, name].map((part, index) => (index ? encodeURIComponent(part) : part)).join("/");
  const url = address(path, { at: at.value, window: range.value.window });
  const poll = usePoll<Workload>(url, at.value === null ? everySeconds() : 0, `${path}/${at.value ?? ""}`);
  const here = `/namespaces/${encodeURIComponent(namespace)}`;
  return (
    <Page
      title={name}
      note={`${kind.one} in ${namespace}`}
      crumbs={[
        { title: "Namespaces", path: "/namespaces" },
        { title: namespace, path: here },
        { title: kind.title, path: `${here}/${kind.plural}` },
      ]}
      actions={
        <a class="button" href={to("/topology", { namespace, focus: `${kind.kind}/${name}` })}>
          In the topology
        </a>
      }
    >
      <Polled poll={poll} what={`${kind.one} ${name}`}>
        {(found) => <Found found={found} kind={kind} namespace={namespace} name={name} />}
      </Polled>
    </Page>
  );
}

function Tiles({ row }: { row: Row }) {
  return (
    <dl class="tiles">
      <div>
        <dt>Success</dt>
        <dd>
          <Success share={row.success} />
        </dd>
      </div>
      <Tile name="Requests / s" value={rate(row.rps)} />
      <Tile name="P50" value={milliseconds(row.p50)} />
      <Tile name="P95" value={milliseconds(row.p95)} />
      <Tile name="P99" value={milliseconds(row.p99)} />
      <Tile name="TCP connections" value={count(row.tcp)} />
      {row.pods === null ? null : (
        <div>
          <dt>Meshed pods</dt>
          <dd>
            <State state={meshedState(row)}>{meshed(row)}</State>
          </dd>
        </div>
      )}
    </dl>
  );
}

function Tile({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Found({ found, kind, namespace, name }: Props & { found: Workload }) {
  const tabs: Tab[] = [
    { id: "traffic", title: "Traffic", show: () => <Traffic found={found} name={name} /> },
    { id: "history", title: "History", show: () => <HistoryCharts kind={kind.kind} namespace={namespace} name={name} /> },
    { id: "routes", title: "Routes", count: found.routes.length, show: () => <Routes found={found} kind={kind} name={name} /> },
  ];
  if (kind.kind !== "service" && kind.kind !== "trafficsplit") {
    tabs.push(
      { id: "pods", title: "Pods", count: found.pods.length, show: () => <Pods found={found} name={name} /> },
      { id: "certificates", title: "Certificates", count: found.certificates.length, show: () => <Certificates found={found} /> },
    );
  }
  if (kind.canTap && session.value?.can.tap !== false) {
    const target = { kind: kind.kind, namespace, name };
    tabs.push({ id: "top", title: "Top", show: () => <LiveTop target={target} /> }, { id: "tap", title: "Tap", show: () => <LiveTap target={target} /> });
  }
  if (kind.kind === "service") {
    tabs.push({ id: "split", title: "Split", show: () => <SplitPanel namespace={namespace} service={name} /> });
    tabs.push({ id: "profile", title: "Profile", show: () => <ProfileEditor namespace={namespace} service={name} /> });
  }
  const { apex } = found.row;
  if (kind.kind === "trafficsplit" && apex !== undefined) {
    tabs.push({ id: "split", title: "Split", show: () => <SplitPanel namespace={namespace} service={apex} only={name} /> });
  }
  return (
    <>
      <Tiles row={found.row} />
      {found.unmeshedSources.length > 0 ? <Unmeshed found={found} /> : null}
      <Tabs tabs={tabs} label={`Views of ${name}`} />
    </>
  );
}

function Unmeshed({ found }: { found: Workload }) {
  return (
    <div class="stale">
      <State state="warn">Called without mutual TLS</State>
      {found.unmeshedSources.map(({ port, rps, tcp, reason }) => (
        <span key={`${port} ${reason}`}>
          {rps ? `${rate(rps)} requests/s` : `${count(tcp)} connections`} at port {port} ({reason.replaceAll("_", " ")})
        </span>
      ))}
      <span class="quiet">Callers without a proxy have no name here. To mesh one: kubectl get deploy NAME -o yaml | tulle inject - | kubectl apply -f -</span>
    </div>
  );
}

function Traffic({ found, name }: { found: Workload; name: string }) {
  return (
    <>
      <Section title="Inbound" note="who calls it">
        <Peers label="Inbound" rows={found.inbound} empty={`No meshed workload has called ${name} in this time.`} />
      </Section>
      <Section title="Outbound" note="whom it calls">
        <Peers label="Outbound" rows={found.outbound} empty={`${name} has called nobody in this time, or has no proxy.`} />
      </Section>
      {found.leaves?.length ? (
        <Section title="Traffic split" note="the leaves and their weights">
          <Table label="Leaves" columns={columnsOf({ kind: "trafficsplit" })} rows={found.leaves} keyOf={rowKey} empty={null} />
        </Section>
      ) : null}
      <Section title="Edges" note="open connections">
        <EdgeTable
          edges={found.edges}
          inUrl="edges"
          empty={<Empty title="No open connection is seen.">Edges are TCP connections between meshed pods; they appear within a scrape of the first request.</Empty>}
        />
      </Section>
    </>
  );
}

function Peers({ label, rows, empty }: { label: string; rows: readonly Row[]; empty: string }) {
  return (
    <Table
      label={label}
      columns={columnsOf({ kind: "peer", withNamespace: true, withKind: true })}
      rows={rows}
      keyOf={rowKey}
      text={rowText}
      inUrl={label.toLowerCase()}
      sort={{ column: "rps", descending: true }}
      empty={<Empty title={empty}>Choose a longer range, or send it a request.</Empty>}
    />
  );
}

function Routes({ found, kind, name }: { found: Workload; kind: Kind; name: string }) {
  return (
    <Section title="Routes">
      <RouteTable
        rows={found.routes}
        inUrl="routes"
        empty={
          <Empty title="No route has numbers.">
            {found.routesNotes?.map(sentence).join(" ")}{" "}
            {kind.kind === "service"
              ? "Make a ServiceProfile in the Profile tab, or an HTTPRoute; then each route is counted apart."
              : `Routes are counted for Services that have a ServiceProfile or an HTTPRoute; ${name} calls none, or has called none in this time.`}
          </Empty>
        }
      />
    </Section>
  );
}

function Pods({ found, name }: { found: Workload; name: string }) {
  return (
    <Section title="Pods">
      <Table
        label="Pods"
        columns={columnsOf({ kind: "pod", withSparks: false })}
        rows={found.pods}
        keyOf={rowKey}
        text={rowText}
        inUrl="pods"
        empty={<Empty title={`${name} has no running pod.`}>See why by: kubectl describe, or kubectl get events.</Empty>}
      />
    </Section>
  );
}

function Certificates({ found }: { found: Workload }) {
  return (
    <Section title="Certificates" note="each proxy renews its own long before it expires">
      <CertificateTable
        rows={found.certificates}
        empty={<Empty title="No certificate is known.">Only pods with a proxy have one. Unmeshed pods get theirs after injection.</Empty>}
      />
    </Section>
  );
}
