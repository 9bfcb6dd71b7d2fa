// Order and slices of rows.
import { describe, expect, it } from "vitest";
import { readSort, sliceOf, sortRows, writeSort } from "./tableRows";

describe("sortRows", () => {
  const rows = [
    { n: 2, s: "b10" },
    { n: null, s: "b9" },
    { n: 10, s: "a" },
  ];
  it("sorts numbers as numbers, with nothing last both ways", () => {
    expect(sortRows(rows, (row) => row.n, "asc").map((row) => row.n)).toEqual([2, 10, null]);
    expect(sortRows(rows, (row) => row.n, "desc").map((row) => row.n)).toEqual([10, 2, null]);
  });
  it("sorts text as people do", () =>
    expect(sortRows(rows, (row) => row.s, "asc").map((row) => row.s)).toEqual(["a", "b9", "b10"]));
  it("keeps the order of equals and the given list", () => {
    const same = [{ id: 1 }, { id: 2 }];
    expect(sortRows(same, () => 0, "desc")).toEqual(same);
  });
});

describe("sliceOf", () => {
  it("takes all that is in sight and some more, wherever one is", () => {
    for (let top = 0; top <= 39_600; top += 13) {
      const { from, to } = sliceOf(top, 400, 40, 1000, 4);
      expect(from).toBeLessThanOrEqual(Math.floor(top / 40));
      expect(to).toBeGreaterThanOrEqual(Math.min(1000, Math.ceil((top + 400) / 40)));
      expect(to - from).toBeLessThanOrEqual(28);
    }
  });
  it("changes only every few rows", () => {
    expect(sliceOf(1000, 400, 40, 1000)).toEqual(sliceOf(1060, 400, 40, 1000));
  });
  it("stays inside at both ends", () => {
    expect(sliceOf(0, 400, 40, 5)).toEqual({ from: 0, to: 5 });
    expect(sliceOf(1e6, 400, 40, 100).to).toBe(100);
    expect(sliceOf(0, 400, 40, 0)).toEqual({ from: 0, to: 0 });
  });
});

it("reads and writes orders in addresses", () => {
  expect(readSort("-total_ms")).toEqual({ key: "total_ms", direction: "desc" });
  expect(readSort("name")).toEqual({ key: "name", direction: "asc" });
  expect(readSort("")).toBeNull();
  expect(writeSort({ key: "calls", direction: "desc" })).toBe("-calls");
});
