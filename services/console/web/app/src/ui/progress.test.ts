// Pace and remaining time, also when a job stands still or begins anew.
import { describe, expect, it } from "vitest";
import { addMark, type Mark, paceOf } from "./progress";

const marks = (...pairs: [number, number][]) =>
  pairs.reduce<Mark[]>((all, [atUnixMs, done]) => addMark(all, { atUnixMs, done }), []);

describe("pace", () => {
  it("tells units a second and the time that is left", () => {
    expect(paceOf(marks([0, 0], [1000, 10], [2000, 20]), 100, 2000)).toEqual({
      perSecond: 10,
      remainingMs: 8000,
    });
  });
  it("knows nothing from one mark", () => expect(paceOf(marks([0, 5]), 100, 1000)).toBeNull());
  it("tells no end where nothing moves or the whole is not known", () => {
    expect(paceOf(marks([0, 5], [1000, 5]), 100, 1000)?.remainingMs ?? null).toBeNull();
    expect(paceOf(marks([0, 0], [1000, 10]), 0, 1000)?.remainingMs).toBeNull();
  });
  it("begins anew where it went backwards", () =>
    expect(marks([0, 50], [1000, 3])).toEqual([{ atUnixMs: 1000, done: 3 }]));
  it("forgets what is old", () =>
    expect(marks([0, 0], [40_000, 10], [41_000, 20])[0]?.atUnixMs).toBe(40_000));
  it("gets slower while nothing comes", () => {
    expect(paceOf(marks([0, 0], [1000, 10]), 100, 10_000)?.perSecond).toBe(1);
  });
});
