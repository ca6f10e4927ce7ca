import { describe, expect, it } from "vitest";
import { ago, bytes, milliseconds, NOTHING, percent, rate, span, until } from "../src/format";

describe("numbers", () => {
  it("show nothing known as a dash, and zero as zero", () => {
    expect([percent(null), rate(undefined), milliseconds(null), bytes(null)]).toEqual(Array(4).fill(NOTHING));
    expect([percent(0), rate(0), milliseconds(0), bytes(0)]).toEqual(["0.00%", "0.0", "0 ms", "0 B/s"]);
  });

  it("never round a failure away", () => {
    expect(percent(0.99999)).toBe("99.99%");
    expect(percent(1)).toBe("100.00%");
    expect(percent(0.9876)).toBe("98.76%");
    expect(rate(0.004)).toBe("<0.1");
  });

  it("grow in unit, not in digits", () => {
    expect([0.25, 1.5, 12.4, 1234, 12_345, 90_000].map(milliseconds)).toEqual(["250 µs", "1.5 ms", "12 ms", "1.23 s", "12.3 s", "1.5 min"]);
    expect([12, 1500, 25_000_000].map(bytes)).toEqual(["12 B/s", "1.5 kB/s", "25 MB/s"]);
    expect([0.5, 99.94, 250.4, 12_345].map(rate)).toEqual(["0.5", "99.9", "250", "12.3k"]);
  });
});

describe("times", () => {
  it("have their two greatest units", () => {
    expect([0, 59, 61, 3600, 90_061].map(span)).toEqual(["0 s", "59 s", "1 min 1 s", "1 h", "1 d 1 h"]);
  });

  it("say how long ago, and how long still", () => {
    expect(ago(100, 102)).toBe("just now");
    expect(ago(100, 220)).toBe("2 min ago");
    expect(until(3700, 100)).toBe("in 1 h");
    expect(until(100, 160)).toBe("expired 1 min ago");
  });
});
