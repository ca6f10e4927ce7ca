/** Tapped requests as HTTP Archive 1.2, which browsers and many tools open. */

import type { TapHeader } from "../api/types";
import type { Request } from "./requests";

function headers(found: readonly TapHeader[]): { name: string; value: string }[] {
  return found.map(({ name, valueStr, valueBin }) => ({ name, value: valueStr ?? valueBin ?? "" }));
}

function queryOf(path: string): { name: string; value: string }[] {
  const start = path.indexOf("?");
  return start < 0 ? [] : [...new URLSearchParams(path.slice(start))].map(([name, value]) => ({ name, value }));
}

/** -1 is HAR's word for "not known": tap sees neither sizes of headers nor bodies. */
function entry(request: Request): object {
  const waited = request.latencyMs ?? -1;
  const whole = request.durationMs ?? request.latencyMs ?? 0;
  return {
    startedDateTime: new Date(request.seen).toISOString(),
    time: whole,
    request: {
      method: request.method,
      url: `${(request.scheme || "http").toLowerCase()}://${request.authority}${request.path}`,
      httpVersion: "unknown",
      cookies: [],
      headers: headers(request.requestHeaders),
      queryString: queryOf(request.path),
      headersSize: -1,
      bodySize: -1,
    },
    response: {
      status: request.status ?? 0,
      statusText: "",
      httpVersion: "unknown",
      cookies: [],
      headers: headers([...request.responseHeaders, ...request.trailers]),
      content: { size: request.bytes ?? 0, mimeType: "" },
      redirectURL: "",
      headersSize: -1,
      bodySize: request.bytes ?? -1,
    },
    cache: {},
    timings: { send: -1, wait: waited, receive: Math.max(0, whole - Math.max(0, waited)) },
    comment: `${request.direction}: ${request.source} to ${request.destination}, tls=${request.tls}`,
  };
}

export function archive(requests: readonly Request[], version: string): object {
  const begun = requests.filter(({ method }) => method !== "");
  const entries = [...begun].sort((one, other) => one.seen - other.seen).map(entry);
  return { log: { version: "1.2", creator: { name: "Tulle dashboard", version }, entries } };
}
