/** Namespaces, one namespace, and the list of each kind. */

import { address } from "../api/client";
import { usePoll } from "../api/poll";
import type { Rows } from "../api/types";
import { columnsOf, rowKey, rowText } from "../parts/columns";
import { Page, Section } from "../parts/page";
import { Empty, Polled } from "../parts/states";
import { Table } from "../parts/table";
import { KINDS, NAMESPACE, type Kind } from "../kinds";
import { to } from "../router";
import { everySeconds } from "../session";
import { at, range } from "../time";

function useRows(kind: string, namespace: string) {
  const subject = `${kind}/${namespace}/${at.value ?? ""}`;
  const url = address("/api/workloads", { kind, namespace, window: range.value.window, at: at.value });
  return usePoll<Rows>(url, at.value === null ? everySeconds() : 0, subject);
}

function NoRows({ kind, namespace, note }: { kind: Kind; namespace: string; note: string | undefined }) {
  const where = namespace ? `in ${namespace}` : "in this cluster";
  return (
    <Empty title={`There are no ${kind.title} ${where}.`}>
      {note ||
        (kind.kind === "namespace"
          ? "The dashboard sees no namespace at all: its account may not list them. Run “tulle viz check”."
          : `They appear here as soon as they exist; those with a proxy show their traffic. To mesh a namespace: kubectl annotate namespace ${namespace || "NAME"} linkerd.io/inject=enabled`)}
    </Empty>
  );
}

const BUSIEST = { column: "rps", descending: true };

export function NamespacesPage() {
  const poll = useRows("namespace", "");
  return (
    <Page title="Namespaces" note="Golden metrics of all meshed traffic that comes in.">
      <section class="card" aria-label="Namespaces">
        <Polled poll={poll} what="the namespaces">
          {({ rows, note }) => (
            <Table
              label="Namespaces"
              columns={columnsOf({ kind: "namespace", withSparks: true })}
              rows={rows}
              keyOf={rowKey}
              text={rowText}
              inUrl=""
              sort={BUSIEST}
              empty={<NoRows kind={NAMESPACE} namespace="" note={note} />}
            />
          )}
        </Polled>
      </section>
    </Page>
  );
}

export function KindPage({ kind, namespace }: { kind: Kind; namespace: string }) {
  const poll = useRows(kind.kind, namespace);
  const crumbs = namespace
    ? [
        { title: "Namespaces", path: "/namespaces" },
        { title: namespace, path: `/namespaces/${encodeURIComponent(namespace)}` },
      ]
    : [];
  return (
    <Page title={kind.title} crumbs={crumbs} note={namespace ? `Of the namespace ${namespace}` : "Of every namespace"}>
      <section class="card" aria-label={kind.title}>
        <Polled poll={poll} what={`the ${kind.title}`}>
          {({ rows, note }) => (
            <Table
              label={kind.title}
              columns={columnsOf({ kind: kind.kind, withNamespace: !namespace, withSparks: true })}
              rows={rows}
              keyOf={rowKey}
              text={rowText}
              inUrl=""
              sort={BUSIEST}
              empty={<NoRows kind={kind} namespace={namespace} note={note} />}
            />
          )}
        </Polled>
      </section>
    </Page>
  );
}

const OF_A_NAMESPACE = KINDS.filter(({ kind }) => !["replicaset", "replicationcontroller"].includes(kind));

export function NamespacePage({ namespace }: { namespace: string }) {
  const here = `/namespaces/${encodeURIComponent(namespace)}`;
  return (
    <Page
      title={namespace}
      crumbs={[{ title: "Namespaces", path: "/namespaces" }]}
      actions={
        <>
          <a class="button" href={to("/topology", { namespace })}>
            Topology
          </a>
          <a class="button" href={to("/edges", { namespace })}>
            Edges
          </a>
          <a class="button" href={to("/tap", { kind: "namespace", namespace })}>
            Tap
          </a>
        </>
      }
    >
      {OF_A_NAMESPACE.map((kind) => (
        <OfKind key={kind.kind} kind={kind} namespace={namespace} here={here} />
      ))}
    </Page>
  );
}

function OfKind({ kind, namespace, here }: { kind: Kind; namespace: string; here: string }) {
  const poll = useRows(kind.kind, namespace);
  const { data } = poll.value.value;
  // Kinds that a namespace does not have would only push away those that it has.
  if (data?.rows.length === 0 && kind.kind !== "deployment") return null;
  return (
    <Section title={kind.title} note={<a href={to(`${here}/${kind.plural}`)}>all {kind.title}</a>}>
      <Polled poll={poll} what={`the ${kind.title}`}>
        {({ rows, note }) => (
          <Table
            label={kind.title}
            columns={columnsOf({ kind: kind.kind, withSparks: true })}
            rows={rows}
            keyOf={rowKey}
            text={rowText}
            inUrl={kind.plural}
            sort={BUSIEST}
            empty={<NoRows kind={kind} namespace={namespace} note={note} />}
          />
        )}
      </Polled>
    </Section>
  );
}
