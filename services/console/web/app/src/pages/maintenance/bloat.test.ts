// From plans to bloat: measured waste before dead rows, indexes beside their tables, and nothing made up.
import { describe, expect, it } from "vitest";
import { bloatOf, classOf, wasteRatio } from "./bloat";
import type { Candidate, Expectation } from "./types";

const expected = (likely: number): Expectation => ({
  reclaim_low_bytes: likely / 2,
  reclaim_likely_bytes: likely,
  reclaim_high_bytes: likely * 2,
  saved_reads_per_day_bytes: 0,
  cost_bytes: 1,
  takes_ms: 1,
  score: 1,
});
const candidate = (part: Partial<Candidate>): Candidate => ({
  table: "public.t",
  action: "",
  reason: "",
  facts: null,
  selected: false,
  kind: "vacuum",
  index: "",
  database: "shop",
  expected: null,
  emergency: false,
  ...part,
});
const facts = (size_bytes: number, live_tuples: number, dead_tuples: number) => ({
  live_tuples,
  dead_tuples,
  changed_tuples: 0,
  changed_percent: 0,
  last_analyze_unix_ms: 0,
  database: "shop",
  size_bytes,
});

describe("bloatOf", () => {
  it("takes what was measured, and dead rows only where nothing was", () => {
    const [large, small] = bloatOf([
      candidate({ table: "public.small", facts: facts(100, 75, 25) }),
      candidate({ table: "public.large", facts: facts(1000, 10, 10) }),
      candidate({
        table: "public.large",
        kind: "reorganize",
        facts: facts(1000, 10, 10),
        expected: expected(400),
      }),
    ]);
    expect(large).toMatchObject({ table: "public.large", wasteBytes: 400, basis: "measured" });
    expect(small).toMatchObject({ table: "public.small", wasteBytes: 25, basis: "dead rows" });
    expect(large && wasteRatio(large)).toBe(0.4);
  });
  it("adds waste of indexes to their table, not to its size", () => {
    const [table] = bloatOf([
      candidate({ facts: facts(100, 1, 0) }),
      candidate({ kind: "reindex", index: "t_pkey", expected: expected(30) }),
    ]);
    expect(table).toMatchObject({ sizeBytes: 100, indexWasteBytes: 30 });
  });
  it("takes leftovers of a database for no table", () =>
    expect(bloatOf([candidate({ table: "database.shop", kind: "sweep" })])).toEqual([]));
  it("knows nothing of a table without facts", () => {
    const [table] = bloatOf([candidate({})]);
    expect(table && wasteRatio(table)).toBeNull();
  });
});

it("puts shares into classes", () =>
  expect([null, 0, 0.15, 0.25, 0.3].map(classOf)).toEqual(["unknown", "little", "some", "much", "most"]));
