// The hour of the overview: merged, bounded, broken where nothing was told.
import { describe, expect, it } from "vitest";
import type { HistoryPoint } from "@/api/types";
import { addPoint, columnsOf, mergePoints, trendOf } from "./history";

const at = (at_unix_ms: number, queries_per_second = 1): HistoryPoint => ({
  at_unix_ms,
  queries_per_second,
  errors_per_second: 0,
  p50_ms: null,
  p95_ms: null,
  p99_ms: null,
  cache_hit_ratio: null,
  pool_active: 0,
  pool_waiting: 0,
});
const times = (points: HistoryPoint[]) => points.map((point) => point.at_unix_ms);

describe("addPoint", () => {
  it("adds, and forgets what is older than an hour", () => {
    expect(times(addPoint([at(0), at(1000)], at(3_600_500)))).toEqual([1000, 3_600_500]);
    expect(times(addPoint([at(0)], at(9_000_000)))).toEqual([9_000_000]);
  });
  it("leaves out what it has", () => expect(times(addPoint([at(5)], at(5)))).toEqual([5]));
});

describe("mergePoints", () => {
  it("takes live points where there are some", () => {
    expect(times(mergePoints([at(10), at(20), at(30)], [at(25), at(26)]))).toEqual([10, 20, 25, 26]);
  });
  it("does without live points", () => expect(times(mergePoints([at(10)], []))).toEqual([10]));
});

it("breaks lines where nothing was told for long", () => {
  const [xs, ys] = columnsOf([at(0, 1), at(10_000, 2), at(100_000, 3)], ["queries_per_second"]);
  expect(xs).toEqual([0, 10_000, 10_001, 100_000]);
  expect(ys).toEqual([1, 2, null, 3]);
});

it("averages a trend, with nothing where nothing was", () => {
  const trend = trendOf([at(100_000, 4), at(890_000, 2), at(899_000, 4)], "queries_per_second");
  expect(trend.at(-1)).toBe(3);
  expect(trend.filter((value) => value !== null)).toHaveLength(2);
});
