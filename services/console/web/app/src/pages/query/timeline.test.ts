// Columns, gaps and markers of a statement's timeline.
import { describe, expect, it } from "vitest";
import type { Alert, QueryChange, QueryStatistics } from "@/api/types";
import { markersOf } from "./markers";
import { timelineColumns } from "./timeline";

const span = (from: number, calls: number) => ({
  from_unix_ms: from,
  to_unix_ms: from + 10_000,
  statistics: { calls } as QueryStatistics,
});

describe("timelineColumns", () => {
  it("has a point a span, by the second where that is asked, and gaps", () => {
    const [xs, ys] = timelineColumns(
      [span(0, 100), span(10_000, 50), span(60_000, 10)],
      [(row, seconds) => row.calls / seconds],
    );
    expect(xs).toEqual([5000, 15_000, 20_001, 65_000]);
    expect(ys).toEqual([10, 5, null, 1]);
  });
  it("bears spans without figures", () => {
    expect(
      timelineColumns([{ from_unix_ms: 0, to_unix_ms: 2, statistics: null }], [(row) => row.calls]),
    ).toEqual([[1], [null]]);
  });
});

it("marks what concerns the statement only", () => {
  const alerts = [
    { fingerprint: "f", since_unix_ms: 1, rule: "slow" },
    { fingerprint: "g", since_unix_ms: 2, rule: "slow" },
  ] as Alert[];
  const changes = [{ fingerprint: "f", at_unix_ms: 3, before_ms: 1, after_ms: 2 }] as QueryChange[];
  expect(markersOf("f", alerts, changes, [4]).map((marker) => marker.atUnixMs)).toEqual([1, 3, 4]);
});
