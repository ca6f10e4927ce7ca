/** The kinds of objects, as paths, as the server and the terminal name them, and as people do. */

export interface Kind {
  kind: string;
  plural: string;
  title: string;
  one: string;
  canTap: boolean;
}

function kind(name: string, one: string, canTap = true, plural = `${name}s`): Kind {
  return { kind: name, plural, title: `${one}s`, one, canTap };
}

export const NAMESPACE = kind("namespace", "Namespace");

export const KINDS: readonly Kind[] = [
  kind("deployment", "Deployment"),
  kind("statefulset", "StatefulSet"),
  kind("daemonset", "DaemonSet"),
  kind("job", "Job"),
  kind("cronjob", "CronJob"),
  kind("replicaset", "ReplicaSet"),
  kind("replicationcontroller", "ReplicationController"),
  kind("service", "Service", false),
  kind("pod", "Pod"),
  kind("trafficsplit", "TrafficSplit", false),
];

/** What changes without having a page. */
const OTHERS: Record<string, string> = {
  serviceprofile: "ServiceProfile",
  server: "Server",
  authorizationpolicy: "AuthorizationPolicy",
  httproute: "HTTPRoute",
  grpcroute: "GRPCRoute",
  configmap: "ConfigMap",
  secret: "Secret",
};

const ALL = [NAMESPACE, ...KINDS];
const BY_KIND = new Map(ALL.map((found) => [found.kind, found]));
const BY_PLURAL = new Map(ALL.map((found) => [found.plural, found]));

export function kindOf(name: string): Kind {
  return BY_KIND.get(name.toLowerCase()) ?? kind(name, OTHERS[name.toLowerCase()] ?? name, false);
}

export function kindOfPlural(plural: string): Kind | undefined {
  return BY_PLURAL.get(plural);
}

export function hasPage(name: string): boolean {
  return BY_KIND.has(name);
}

export interface Named {
  kind: string;
  namespace: string;
  name: string;
}

export function pathOf({ kind: name, namespace, name: object }: Named): string {
  if (name === "namespace") return `/namespaces/${encodeURIComponent(object)}`;
  const plural = kindOf(name).plural;
  return `/namespaces/${encodeURIComponent(namespace)}/${plural}/${encodeURIComponent(object)}`;
}
