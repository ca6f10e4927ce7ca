import { describe, expect, it } from "vitest";
import type { TapEvent } from "../src/api/types";
import { archive } from "../src/live/har";
import { KEPT_REQUESTS, Requests } from "../src/live/requests";
import { EventCutter } from "../src/live/stream";
import { command, NO_FILTERS, wantedOf } from "../src/live/target";

function event(more: Partial<TapEvent>): TapEvent {
  return {
    source: { ip: "10.0.0.1", port: 4000, metadata: { deployment: "ui", namespace: "shop", tls: "true" } },
    destination: { ip: "10.0.0.2", port: 80, metadata: {} },
    routeMeta: {},
    proxyDirection: "INBOUND",
    ...more,
  } as TapEvent;
}

function whole(stream: number): TapEvent[] {
  const id = { base: 1, stream };
  return [
    event({ requestInitEvent: { id, method: "GET", scheme: "HTTP", authority: "web:80", path: "/a?b=c", headers: [{ name: "x", valueStr: "y" }] } }),
    event({ responseInitEvent: { id, sinceRequestInit: { seconds: 0, nanos: 5_000_000 }, httpStatus: 200, headers: [] } }),
    event({
      responseEndEvent: { id, sinceRequestInit: { seconds: 0, nanos: 7_500_000 }, responseBytes: 42, trailers: [], grpcStatusCode: 0 },
    }),
  ];
}

describe("a stream of events", () => {
  it("is cut right wherever it is torn", () => {
    const text = 'event: open\ndata: null\n\nevent: message\r\ndata: {"a":1}\r\n\r\n: a comment\n\ndata: 2\n\n';
    const cutter = new EventCutter();
    const found = [...text].flatMap((letter) => cutter.push(letter));
    expect(found).toEqual([
      { kind: "open", data: "null" },
      { kind: "message", data: '{"a":1}' },
      { kind: "message", data: "2" },
    ]);
  });
});

describe("requests", () => {
  it("are put together from their events", () => {
    const requests = new Requests();
    for (const found of whole(1)) requests.add(found, 1000);
    expect(requests.list()).toMatchObject([
      { source: "ui.shop", destination: "10.0.0.2:80", method: "GET", path: "/a?b=c", status: 200, grpcStatus: 0, latencyMs: 5, durationMs: 7.5, bytes: 42, tls: "true" },
    ]);
  });

  it("show one whose beginning was not seen", () => {
    const requests = new Requests();
    const [, , end] = whole(3);
    if (end) requests.add(end, 1);
    expect(requests.list()).toMatchObject([{ method: "", status: null, bytes: 42 }]);
  });

  it("are bounded, and the oldest goes first", () => {
    const requests = new Requests();
    for (let stream = 0; stream < KEPT_REQUESTS + 5; stream++) for (const found of whole(stream)) requests.add(found, stream);
    expect(requests.list()).toHaveLength(KEPT_REQUESTS);
    expect(requests.list().at(-1)?.seen).toBe(5);
  });

  it("become a HAR that says what was not seen", () => {
    const requests = new Requests();
    for (const found of whole(1)) requests.add(found, 0);
    expect(archive(requests.list(), "1.0")).toMatchObject({
      log: {
        version: "1.2",
        entries: [
          {
            startedDateTime: "1970-01-01T00:00:00.000Z",
            time: 7.5,
            request: { url: "http://web:80/a?b=c", queryString: [{ name: "b", value: "c" }], headers: [{ name: "x", value: "y" }], bodySize: -1 },
            response: { status: 200, bodySize: 42 },
            timings: { send: -1, wait: 5, receive: 2.5 },
          },
        ],
      },
    });
  });
});

describe("the command", () => {
  const wanted = { ...NO_FILTERS, kind: "deployment", namespace: "shop", name: "web" };

  it("asks the same in a terminal", () => {
    expect(command("tap", wanted)).toBe("tulle viz tap deployment/web -n shop");
    expect(command("top", { ...wanted, kind: "namespace", name: "" })).toBe("tulle viz top namespace/shop");
    expect(command("tap", { ...wanted, toKind: "service", toName: "db", toNamespace: "data", maxRps: "5" })).toBe(
      "tulle viz tap deployment/web -n shop --to service/db --to-namespace data --max-rps 5",
    );
  });

  it("is safe to paste", () => {
    expect(command("tap", { ...wanted, path: "/a b'; rm" })).toBe(`tulle viz tap deployment/web -n shop --path '/a b'"'"'; rm'`);
  });

  it("comes from the URL", () => {
    expect(wantedOf(new URLSearchParams("kind=pod&namespace=a&name=b&method=GET"))).toEqual({ ...NO_FILTERS, kind: "pod", namespace: "a", name: "b", method: "GET" });
  });
});
