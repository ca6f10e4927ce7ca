import { describe, expect, it } from "vitest";
import { asked, isSame, isWhole, presets, shares } from "../src/split/weights";

describe("weights", () => {
  it("are parts of their sum", () => {
    expect(shares(["90", "10"])).toEqual([0.9, 0.1]);
    expect(shares(["1", "1", "2"])).toEqual([0.25, 0.25, 0.5]);
    expect(shares(["0", "0"])).toEqual([null, null]);
  });

  it("may be quantities beside whole numbers", () => {
    expect(shares(["1500m", "1"])).toEqual([0.6, 0.4]);
    expect(asked(["1500m", " 7 "])).toEqual(["1500m", 7]);
  });

  it("that cannot be read are no share of anything", () => {
    expect(shares(["x", "1"])).toEqual([null, 1]);
    expect(["", "1.5", "-1", "1000001", "9".repeat(8)].filter(isWhole)).toEqual([]);
    expect(["0", "1000000"].filter(isWhole)).toHaveLength(2);
  });

  it("are the same whatever blanks were typed", () => {
    expect(isSame(["90", " 10"], ["90", "10"])).toBe(true);
    expect(isSame(["90"], ["90", "10"])).toBe(false);
  });
});

describe("presets", () => {
  it("are the steps of a rollout between two", () => {
    expect(presets(["old", "new"]).map(({ title }) => title)).toEqual(["100/0", "90/10", "50/50", "10/90", "0/100"]);
  });

  it("give all to one of more than two, or to each alike", () => {
    expect(presets(["a", "b", "c"]).map(({ weights }) => weights.join())).toEqual(["1,1,1", "100,0,0", "0,100,0", "0,0,100"]);
  });
});
