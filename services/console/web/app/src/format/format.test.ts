// What numbers and moments look like, at the edges where rounding changes the unit.
import { describe, expect, it } from "vitest";
import { bytes, count, duration, durationFigure, exact, plural, rate, ratio, relative, words } from ".";

const plain = (text: string) => text.replaceAll("\u00a0", " ");

describe("numbers", () => {
  it.each([
    [0, "0 ms"],
    [0.0004, "0.4 µs"],
    [0.34, "340 µs"],
    [0.9994, "999 µs"],
    [0.9996, "1 ms"],
    [1.234, "1.23 ms"],
    [9.996, "10 ms"],
    [12.34, "12.3 ms"],
    [999.4, "999 ms"],
    [999.6, "1 s"],
    [15_430, "15.4 s"],
    [59_940, "59.9 s"],
    [60_000, "1 min"],
    [125_000, "2 min 5 s"],
    [11_520_000, "3 h 12 min"],
    [360_000_000, "4 d 4 h"],
  ])("writes %d ms as %s", (ms, text) => expect(plain(duration(ms))).toBe(text));

  it("writes what is not known as a dash", () => {
    expect([
      duration(null),
      count(undefined),
      ratio(Number.NaN),
      bytes(null),
      rate(null),
      exact(null),
    ]).toEqual(Array(6).fill("–"));
  });

  it.each([
    [0, "0"],
    [0.25, "0.25"],
    [999, "999"],
    [999.6, "1 k"],
    [1234, "1.23 k"],
    [1_000_000, "1 M"],
    [3_450_000_000, "3.45 G"],
  ])("counts %d as %s", (value, text) => expect(plain(count(value))).toBe(text));

  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [1_572_864, "1.5 MiB"],
    [5 * 1024 ** 4, "5 TiB"],
  ])("writes %d bytes as %s", (value, text) => expect(plain(bytes(value))).toBe(text));

  it.each([
    [1, "100 %"],
    [0.9999, "> 99.9 %"],
    [0.973, "97.3 %"],
    [0.5, "50 %"],
    [0.0001, "< 0.1 %"],
    [0, "0 %"],
  ])("writes the part %d as %s", (value, text) => expect(plain(ratio(value))).toBe(text));

  it("keeps number and unit apart", () =>
    expect(durationFigure(12.34)).toEqual({ value: "12.3", unit: "ms" }));
  it("writes rates", () =>
    expect([rate(0), rate(12.34), rate(1234)].map(plain)).toEqual(["0 /s", "12.3 /s", "1.23 k/s"]));
  it("counts one and many", () =>
    expect([plural(1, "query", "queries"), plural(2, "alert")].map(plain)).toEqual(["1 query", "2 alerts"]));
  it("writes every digit", () => expect(exact(12_345_678)).toBe("12,345,678"));
  it("writes names of the protocol as words", () => expect(words("half_open")).toBe("half open"));
});

describe("moments", () => {
  const now = Date.UTC(2026, 10, 30, 12);
  it.each([
    [now, "just now"],
    [now - 12_000, "12 s ago"],
    [now - 59_000, "59 s ago"],
    [now - 185_000, "3 min ago"],
    [now + 7_200_000, "in 2 h"],
    [now - 3 * 86_400_000, "3 d ago"],
    [now - 90 * 86_400_000, "1 Sept"],
    [0, "never"],
  ])("tells %d as %s", (at, text) => expect(plain(relative(at, now))).toBe(text));
});
