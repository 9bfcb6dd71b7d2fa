import { describe, expect, it } from "vitest";
import { barsOf, gainOf, measuredWords, seriesOf, targetWords } from "./figures";
import type { Check, Mode } from "./types";

const mode = (name: string, queries_per_second: number, started_unix_ms = 0): Mode =>
  ({
    mode: name,
    queries_per_second,
    started_unix_ms,
    spans: [{ at_unix_ms: started_unix_ms, p50_ms: 1, p95_ms: 2, p99_ms: 3, calls: 1, errors: 0 }],
  }) as Mode;
const plain = (text: string) => text.replaceAll("\u00a0", " ");

describe("bars", () => {
  it("stand on one scale", () => {
    const { bars, isLog } = barsOf([
      { label: "a", value: 10 },
      { label: "b", value: 5 },
    ]);
    expect([isLog, ...bars.map((bar) => bar.part)]).toEqual([false, 1, 0.5]);
  });

  it("are logarithmic where the small would vanish", () => {
    const { bars, isLog } = barsOf([
      { label: "a", value: 1000 },
      { label: "b", value: 1 },
      { label: "c", value: 0 },
    ]);
    expect(isLog).toBe(true);
    expect(bars[0]?.part).toBe(1);
    expect(bars[1]?.part).toBeGreaterThan(0.05);
    expect(bars[2]?.part).toBe(0);
  });

  it("of nothing are nothing", () => {
    expect(barsOf([{ label: "a", value: 0 }])).toEqual({
      bars: [{ label: "a", value: 0, part: 0 }],
      isLog: false,
    });
  });
});

describe("reports", () => {
  it("compare with connecting each time", () => {
    const modes = [mode("connect_per_request", 100), mode("pooled", 320), mode("pooled_cached", 1234)];
    expect(modes.map((one) => gainOf(one, modes))).toEqual([
      "",
      "3.2 × connecting each time",
      "12 × connecting each time",
    ]);
    expect(gainOf(mode("pooled", 1), [])).toBe("");
  });

  it("say checks in words", () => {
    const check = { direction: "below", target: 100, measured: 12.5, unit: "ms", verdict: "pass" } as Check;
    expect([targetWords(check), measuredWords(check)].map(plain)).toEqual(["< 100 ms", "12.5 ms"]);
    const is = { direction: "is", target: null, measured: null, unit: "none", verdict: "fail" } as Check;
    expect([targetWords(is), measuredWords(is)]).toEqual(["yes", "no"]);
    const unmeasured = { ...check, direction: "above", unit: "ratio", target: 0.9, measured: null } as Check;
    expect([targetWords(unmeasured), measuredWords(unmeasured)].map(plain)).toEqual(["> 90 %", "–"]);
  });

  it("show ways one after the other, with a gap between", () => {
    expect(seriesOf([mode("pooled", 1, 50), mode("direct", 1, 10)])).toEqual([
      [10, 49, 50],
      [1, null, 1],
      [2, null, 2],
      [3, null, 3],
    ]);
  });
});
