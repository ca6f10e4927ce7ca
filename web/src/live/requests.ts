/** Tap's events put together: one request from its first event to its last. */

import type { Duration, TapEvent, TapHeader } from "../api/types";

export interface Request {
  key: string;
  direction: "inbound" | "outbound";
  source: string;
  destination: string;
  tls: string;
  /** Milliseconds since 1970, by this browser's clock. */
  seen: number;
  method: string;
  scheme: string;
  authority: string;
  path: string;
  status: number | null;
  grpcStatus: number | null;
  reset: number | null;
  latencyMs: number | null;
  durationMs: number | null;
  bytes: number | null;
  requestHeaders: TapHeader[];
  responseHeaders: TapHeader[];
  trailers: TapHeader[];
  labels: { source: Record<string, string>; destination: Record<string, string>; route: Record<string, string> };
}

export const KEPT_REQUESTS = 1000;

export function inMilliseconds(duration: Duration | undefined): number | null {
  return duration ? duration.seconds * 1000 + duration.nanos / 1e6 : null;
}

const WORKLOADS = ["deployment", "statefulset", "daemonset", "job", "cronjob", "replicaset", "replicationcontroller"];

/** A workload if the mesh knows one, or else the address. */
function named({ ip, port, metadata }: TapEvent["source"]): string {
  const kind = WORKLOADS.find((found) => metadata[found]);
  if (kind) return `${metadata[kind] ?? ""}.${metadata["namespace"] ?? ""}`;
  const pod = metadata["pod"];
  if (pod) return `${pod}.${metadata["namespace"] ?? ""}`;
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function begun(key: string, event: TapEvent, seen: number): Request {
  const isInbound = event.proxyDirection === "INBOUND";
  const peer = isInbound ? event.source : event.destination;
  return {
    key,
    direction: isInbound ? "inbound" : "outbound",
    source: named(event.source),
    destination: named(event.destination),
    tls: peer.metadata["tls"] ?? "",
    seen,
    method: "",
    scheme: "",
    authority: "",
    path: "",
    status: null,
    grpcStatus: null,
    reset: null,
    latencyMs: null,
    durationMs: null,
    bytes: null,
    requestHeaders: [],
    responseHeaders: [],
    trailers: [],
    labels: { source: event.source.metadata, destination: event.destination.metadata, route: event.routeMeta },
  };
}

function joined(known: Request, event: TapEvent): Request {
  const { requestInitEvent: request, responseInitEvent: response, responseEndEvent: end } = event;
  if (request) {
    const { method, scheme, authority, path, headers } = request;
    return { ...known, method, scheme, authority, path, requestHeaders: headers };
  }
  if (response) {
    return { ...known, status: response.httpStatus, latencyMs: inMilliseconds(response.sinceRequestInit), responseHeaders: response.headers };
  }
  if (!end) return known;
  return {
    ...known,
    durationMs: inMilliseconds(end.sinceRequestInit) ?? inMilliseconds(end.sinceResponseInit),
    bytes: end.responseBytes,
    grpcStatus: end.grpcStatusCode ?? null,
    reset: end.resetErrorCode ?? null,
    trailers: end.trailers,
  };
}

function keyOf(event: TapEvent): string | null {
  const id = (event.requestInitEvent ?? event.responseInitEvent ?? event.responseEndEvent)?.id;
  if (!id) return null;
  // Ids are a proxy's own: two proxies may have the same.
  const { source, destination, proxyDirection } = event;
  return `${proxyDirection} ${source.ip}:${source.port} ${destination.ip}:${destination.port} ${id.base}:${id.stream}`;
}

/** The newest first; a reader that pauses loses the oldest. */
export class Requests {
  private known = new Map<string, Request>();

  add(event: TapEvent, seen: number): void {
    const key = keyOf(event);
    if (key === null) return;
    this.known.set(key, joined(this.known.get(key) ?? begun(key, event, seen), event));
    for (const oldest of this.known.keys()) {
      if (this.known.size <= KEPT_REQUESTS) break;
      this.known.delete(oldest);
    }
  }

  list(): Request[] {
    return [...this.known.values()].reverse();
  }
}
