/** The server's answers, as docs/reference/dashboard-api.md has them. */

export type Num = number | null;

export interface Session {
  version: string;
  namespace: string;
  clusterDomain: string;
  now: number;
  scrapeSeconds: number;
  history: { from: number | null; stepSeconds: number } | null;
  can: { tap: boolean; editProfiles: boolean };
  classification: string;
}

export type HealthState = "ok" | "warn" | "fail" | "unknown";

export interface HealthLine {
  id: string;
  title: string;
  state: HealthState;
  detail: string;
  hint: string;
}

export interface Change {
  time: number;
  kind: string;
  namespace: string;
  name: string;
  what: string;
  detail: string;
}

export interface Pain {
  kind: string;
  namespace: string;
  name: string;
  what: string;
  value: Num;
  before: Num;
  detail?: string;
}

export interface Overview {
  note?: string;
  health: HealthLine[];
  changes: Change[];
  pains: Pain[];
  totals: {
    pods: Num;
    meshed: Num;
    rps: Num;
    success: Num;
    p99: Num;
    securedShare: Num;
  };
}

export interface Spark {
  rps: Num[];
  success: Num[];
  p99: Num[];
}

export interface Row {
  kind: string;
  namespace: string;
  name: string;
  meshed: Num;
  pods: Num;
  status: string | null;
  success: Num;
  rps: Num;
  p50: Num;
  p95: Num;
  p99: Num;
  tcp: Num;
  readBytes: Num;
  writeBytes: Num;
  spark?: Spark | null;
  apex?: string;
  leaf?: string;
  weight?: number | string;
}

export interface Rows {
  rows: Row[];
  note?: string;
}

export interface Ref {
  kind: string;
  namespace: string;
  name: string;
}

export interface Edge {
  src: Ref;
  dst: Ref;
  secured: boolean | null;
  reason: string;
  clientId?: string;
  serverId?: string;
  rps?: Num;
  success?: Num;
  p99?: Num;
  tcp?: Num;
}

export interface RouteRow {
  route: string;
  service: string;
  namespace?: string;
  success: Num;
  rps: Num;
  p50: Num;
  p95: Num;
  p99: Num;
}

export interface Certificate {
  pod: string;
  identity: string;
  issuer: string;
  notBefore: number | null;
  notAfter: number | null;
  proxyVersion: string;
}

/** Callers without a proxy have no name in the mesh: only their traffic is seen. */
export interface UnmeshedSource {
  reason: string;
  port: string;
  tcp: Num;
  rps: Num;
  success: Num;
}

export interface Workload {
  row: Row;
  inbound: Row[];
  outbound: Row[];
  pods: Row[];
  edges: Edge[];
  routes: RouteRow[];
  certificates: Certificate[];
  routesNotes?: string[];
  leaves?: Row[];
  unmeshedSources: UnmeshedSource[];
}

export interface TopologyNode {
  id: string;
  kind: string;
  namespace: string;
  name: string;
  meshed: boolean | null;
  rps: Num;
  success: Num;
  p99: Num;
}

export interface TopologyEdge {
  src: string;
  dst: string;
  rps: Num;
  success: Num;
  p99: Num;
  tcp: Num;
  secured: boolean | null;
  reason: string;
}

export interface Topology {
  note?: string;
  nodes: TopologyNode[];
  edges: TopologyEdge[];
}

export interface History {
  stepSeconds: number;
  times: number[];
  series: {
    rps: Num[];
    success: Num[];
    p50: Num[];
    p95: Num[];
    p99: Num[];
    tcp: Num[];
  };
  source: string;
}

export interface Profile {
  exists: boolean;
  profile: string | null;
  suggested: string;
}

export interface SplitBackend {
  namespace: string;
  name: string;
  port: Num;
  /** As the object has it: a whole number, of a TrafficSplit perhaps a quantity such as 500m. */
  weight: string;
  share: Num;
  success: Num;
  rps: Num;
  p50: Num;
  p95: Num;
  p99: Num;
}

export interface Split {
  kind: string;
  /** As RBAC names it: httproutes.gateway.networking.k8s.io. */
  resource: string;
  namespace: string;
  name: string;
  rule: number;
  matches: string;
  generation: number;
  backends: SplitBackend[];
}

export interface Splits {
  splits: Split[];
  notes: string[];
}

export interface TopRow {
  source: string;
  destination: string;
  method: string;
  path: string;
  count: number;
  best: number;
  worst: number;
  last: number;
  success: number;
}

interface TapEnd {
  ip: string;
  port: number;
  metadata: Record<string, string>;
}

export interface TapHeader {
  name: string;
  valueStr?: string;
  valueBin?: string;
}

interface TapId {
  base: number;
  stream: number;
}

export interface Duration {
  seconds: number;
  nanos: number;
}

/** As `tulle viz tap -o json` prints it. */
export interface TapEvent {
  source: TapEnd;
  destination: TapEnd;
  routeMeta: Record<string, string>;
  proxyDirection: string;
  requestInitEvent?: {
    id: TapId;
    method: string;
    scheme: string;
    authority: string;
    path: string;
    headers: TapHeader[];
  };
  responseInitEvent?: {
    id: TapId;
    sinceRequestInit: Duration;
    httpStatus: number;
    headers: TapHeader[];
  };
  responseEndEvent?: {
    id: TapId;
    sinceRequestInit?: Duration;
    sinceResponseInit?: Duration;
    responseBytes: number;
    trailers: TapHeader[];
    grpcStatusCode?: number;
    resetErrorCode?: number;
  };
}
