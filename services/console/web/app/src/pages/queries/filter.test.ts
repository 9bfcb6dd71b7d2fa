// Filters and the hit ratio of statements.
import { describe, expect, it } from "vitest";
import type { QueryStatistics } from "@/api/types";
import { hitRatio, keptBy } from "./filter";

const row = (kind: string, database: string, hits = 0, misses = 0) =>
  ({ kind, database, cache_hits: hits, cache_misses: misses }) as QueryStatistics;
const rows = [row("select", "a"), row("insert", "a"), row("select", "b")];

describe("keptBy", () => {
  it("keeps all without a filter", () => expect(keptBy(rows, "", "")).toBe(rows));
  it("keeps what fits both", () => expect(keptBy(rows, "select", "a")).toEqual([rows[0]]));
});

describe("hitRatio", () => {
  it("is a part of look-ups, and nothing without any", () => {
    expect(hitRatio(row("select", "a", 3, 1))).toBe(0.75);
    expect(hitRatio(row("select", "a"))).toBeNull();
  });
});
