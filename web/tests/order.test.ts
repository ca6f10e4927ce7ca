import { describe, expect, it } from "vitest";
import { matches, sorted, sortOf, sortText } from "../src/parts/order";

describe("sorting", () => {
  const rows = [
    { name: "web-10", rps: 3 },
    { name: "web-9", rps: null },
    { name: "api", rps: 7 },
  ];

  it("leaves the unknown last, whichever way", () => {
    expect(sorted(rows, (row) => row.rps, true).map(({ rps }) => rps)).toEqual([7, 3, null]);
    expect(sorted(rows, (row) => row.rps, false).map(({ rps }) => rps)).toEqual([3, 7, null]);
  });

  it("counts in names", () => {
    expect(sorted(rows, (row) => row.name, false).map(({ name }) => name)).toEqual(["api", "web-9", "web-10"]);
  });

  it("is a word of the URL and back", () => {
    for (const word of ["rps", "-rps"]) expect(sortText(sortOf(word) ?? { column: "", descending: false })).toBe(word);
    expect(sortOf("")).toBeUndefined();
  });
});

describe("filtering", () => {
  it("wants every word, in any order and case", () => {
    expect(matches("shop web-1 Running", "RUN web")).toBe(true);
    expect(matches("shop web-1 Running", "web pending")).toBe(false);
    expect(matches("anything", "")).toBe(true);
  });
});
