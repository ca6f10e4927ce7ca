import { describe, expect, it } from "vitest";
import { address, remedy } from "../src/api/client";
import { pause } from "../src/api/pause";
import { certificateState, meshedState, successState } from "../src/health";
import { kindOf, kindOfPlural, pathOf } from "../src/kinds";
import { bounds } from "../src/bounds";

describe("questions", () => {
  it("leave out what is not asked", () => {
    expect(address("/api/x", { a: "", b: null, c: undefined, d: 0, e: "y z" })).toBe("/api/x?d=0&e=y+z");
    expect(address("/api/x")).toBe("/api/x");
  });

  it("come less often to a server in trouble, but come", () => {
    expect([0, 1, 2, 3, 9].map((failures) => pause(5, failures))).toEqual([5, 10, 20, 30, 30]);
    expect(pause(60, 3)).toBe(60);
  });

  it("that fail have a remedy, whatever the status", () => {
    for (const status of [400, 401, 403, 404, 500, 502]) expect(remedy(status)).toMatch(/\.$/);
  });
});

describe("states", () => {
  it("follow the success rate", () => {
    expect([1, 0.99, 0.98, 0.95, 0.9, null].map(successState)).toEqual(["ok", "ok", "warn", "warn", "fail", "unknown"]);
  });

  it("do not blame what is not meshed at all", () => {
    expect(meshedState({ meshed: 0, pods: 3 })).toBe("unknown");
    expect(meshedState({ meshed: 2, pods: 3 })).toBe("warn");
    expect(meshedState({ meshed: 3, pods: 3 })).toBe("ok");
  });

  it("warn of a certificate in the last tenth of its life", () => {
    const states = [0, 89, 91, 100].map((now) => certificateState(0, 100, now));
    expect(states).toEqual(["ok", "ok", "warn", "fail"]);
    expect(certificateState(null, null, 5)).toBe("unknown");
  });
});

describe("paths", () => {
  it("lead from an object to its page", () => {
    expect(pathOf({ kind: "deployment", namespace: "shop", name: "web" })).toBe("/namespaces/shop/deployments/web");
    expect(pathOf({ kind: "namespace", namespace: "", name: "shop" })).toBe("/namespaces/shop");
    expect(kindOfPlural("cronjobs")?.one).toBe("CronJob");
    expect(kindOfPlural("secrets")).toBeUndefined();
    expect(kindOf("node").one).toBe("node");
  });
});

describe("a range", () => {
  it("ends now, or holds the moment with what came after it", () => {
    expect(bounds(null, 3600, 10_000)).toEqual({ from: 6400, to: 10_000 });
    expect(bounds(5000, 3600, 10_000)).toEqual({ from: 3200, to: 6800 });
    expect(bounds(9900, 3600, 10_000)).toEqual({ from: 6400, to: 10_000 });
  });
});
