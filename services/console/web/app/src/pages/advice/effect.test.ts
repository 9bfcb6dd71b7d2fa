import { describe, expect, it } from "vitest";
import type { QueryStatistics, TimelineSpan } from "@/api";
import { changeOf, effectOf } from "./effect";

const span = (from: number, calls: number, total_ms: number, p95_ms: number): TimelineSpan => ({
  from_unix_ms: from,
  to_unix_ms: from + 10,
  statistics: { calls, total_ms, p95_ms, errors: 0 } as QueryStatistics,
});

describe("what a change brought", () => {
  it("weighs spans by their calls", () => {
    const { before, after } = effectOf([span(0, 1, 10, 10), span(10, 3, 90, 30), span(20, 2, 20, 10)], 20);
    expect(before).toEqual({ calls: 4, meanMs: 25, p95Ms: 25, errors: 0 });
    expect(after).toEqual({ calls: 2, meanMs: 10, p95Ms: 10, errors: 0 });
  });

  it("leaves out the span in which it was made, and says nothing of nothing", () => {
    expect(effectOf([span(0, 5, 5, 5)], 5)).toEqual({ before: null, after: null });
    expect(effectOf([{ from_unix_ms: 0, to_unix_ms: 1, statistics: null }], 5).before).toBeNull();
  });

  it("tells the change in parts", () => {
    expect(changeOf(4, 3)).toBe(-0.25);
    expect(changeOf(0, 3)).toBeNull();
  });
});
