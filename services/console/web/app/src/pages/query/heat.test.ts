// Cells and strengths of the heat-map.
import { describe, expect, it } from "vitest";
import { heatOf, placeOf, spanAt, strengthOf } from "./heat";

const span = (from: number, counts: number[]) => ({ from_unix_ms: from, to_unix_ms: from + 1, counts });

describe("heatOf", () => {
  it("leaves out classes in which nothing happened, at both ends", () => {
    const heat = heatOf(
      {
        bounds_ms: [1, 2, 4, 8],
        spans: [span(0, [0, 5, 0, 0, 0]), span(1, [0, 0, 0, 3, 0])],
      },
      0,
      10,
    );
    expect(heat.rows).toEqual([
      { fromMs: 1, toMs: 2 },
      { fromMs: 2, toMs: 4 },
      { fromMs: 4, toMs: 8 },
    ]);
    expect(heat.counts).toEqual([
      [5, 0, 0],
      [0, 0, 3],
    ]);
    expect(heat.most).toBe(5);
  });
  it("knows the class without end", () => {
    expect(heatOf({ bounds_ms: [1], spans: [span(0, [0, 2])] }, 0, 10).rows).toEqual([
      { fromMs: 1, toMs: null },
    ]);
  });
  it("bears nothing", () => expect(heatOf({ bounds_ms: [], spans: [] }, 0, 10).rows).toEqual([]));
});

it("shows a single call beside a thousand", () => {
  expect(strengthOf(0, 1000)).toBe(0);
  expect(strengthOf(1, 1000)).toBeGreaterThanOrEqual(0.08);
  expect(strengthOf(1000, 1000)).toBe(1);
});

it("keeps the places free where nothing ran", () => {
  const heat = heatOf({ bounds_ms: [1], spans: [span(2, [1]), span(7, [1])] }, 0, 10);
  expect(placeOf(heat, 0)).toEqual({ left: 0.2, width: 0.1 });
  expect(placeOf(heat, 1)).toEqual({ left: 0.7, width: 0.1 });
  expect([0.25, 0.5, 0.75].map((part) => spanAt(heat, part))).toEqual([0, null, 1]);
});
