// Decimation keeps what one looks for: peaks, dips, gaps, the ends.
import { describe, expect, it } from "vitest";
import { decimate, placeOf } from "./decimate";

const xs = Array.from({ length: 86_400 }, (_, index) => index);
const flat = xs.map(() => 1 as number | null);

describe("decimate", () => {
  it("leaves short data alone", () => {
    const data = [
      [1, 2],
      [3, 4],
    ];
    expect(decimate(data, 10)).toBe(data);
  });
  it("keeps a single peak, a single dip and a gap of a day of seconds", () => {
    const ys = flat.map((y, index) =>
      index === 40_000 ? 99 : index === 50_000 ? -5 : index === 60_000 ? null : y,
    );
    const [x = [], y = []] = decimate([xs, ys], 600);
    expect(x.length).toBeLessThan(600 * 3 + 3);
    expect(y[x.indexOf(40_000)]).toBe(99);
    expect(y[x.indexOf(50_000)]).toBe(-5);
    expect(y[x.indexOf(60_000)]).toBeNull();
    expect([x[0], x.at(-1)]).toEqual([0, 86_399]);
  });
  it("stays in order and keeps columns together", () => {
    const [x = [], y = []] = decimate([xs, xs], 100);
    expect(x).toEqual([...x].sort((a, b) => Number(a) - Number(b)));
    expect(y).toEqual(x);
  });
});

it("finds a moment among many, and the place of one that is not there", () => {
  expect([0, 1, 40_000, 86_399].map((x) => placeOf(xs, x))).toEqual([0, 1, 40_000, 86_399]);
  expect([placeOf([10, 20, 30], 11), placeOf([10, 20, 30], 99), placeOf([], 5)]).toEqual([1, 2, 0]);
});
