import { describe, expect, it } from "vitest";
import { figureOf, readBound, readSpan, writeSpan } from "./units";

const plain = (text: string) => text.replaceAll("\u00a0", " ");

describe("units of rules", () => {
  it.each([
    ["query.p95_ms", 123.4, "123 ms"],
    ["pool.utilization_ratio", 0.934, "93.4 %"],
    ["query.cache_hit_fall", 0.2, "20 %"],
    ["server.blocked_seconds", 75, "1 min 15 s"],
    ["backup.age_hours", 26, "1 d 2 h"],
    ["server.disk_full_days", 3.5, "3 d 12 h"],
    ["query.slow_per_hour", 12, "12 /h"],
    ["objective.fast_burn", 14.4, "14.4 ×"],
    ["pool.waiting", 1234, "1,234"],
    [null, 1.5, "1.5"],
  ])("%s", (metric, value, expected) => {
    expect(plain(figureOf(metric, value))).toBe(expected);
  });

  it("reads and writes spans", () => {
    expect(readSpan("1h 30min")).toBe(5_400_000);
    expect(readSpan("250ms")).toBe(250);
    expect(readSpan("1.5h")).toBe(5_400_000);
    for (const wrong of ["", "5", "m", "5m x", "-5m"]) expect(readSpan(wrong)).toBeNull();
    for (const ms of [250, 1000, 90_000, 5_400_000, 86_400_000]) expect(readSpan(writeSpan(ms))).toBe(ms);
    expect(writeSpan(0)).toBe("0s");
    expect(readSpan("0")).toBe(0);
  });

  it("reads bounds", () => {
    expect(readBound(" 0,8 ")).toBe(0.8);
    expect(readBound("")).toBeNull();
    expect(readBound("x")).toBeNaN();
  });
});
