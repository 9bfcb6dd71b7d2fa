// The treemap fills its box, no rectangle lies on another, sizes are right; arrows find the neighbour.
import { describe, expect, it } from "vitest";
import { neighbour, type Rect, treemap } from "./tiles";

const area = (rect: Rect) => rect.width * rect.height;
const overlap = (a: Rect, b: Rect) =>
  Math.max(0, Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)) *
  Math.max(0, Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y));

describe("treemap", () => {
  const values = [500, 300, 120, 60, 30, 10, 4, 1];
  const rects = treemap(values, 800, 400);

  it("gives each value its share of the box", () => {
    const total = values.reduce((sum, value) => sum + value, 0);
    rects.forEach((rect, index) => {
      expect(area(rect)).toBeCloseTo(((values[index] ?? 0) / total) * 800 * 400, 3);
    });
  });
  it("stays inside, with nothing on top of another", () => {
    for (const [index, rect] of rects.entries()) {
      expect(rect.x).toBeGreaterThanOrEqual(0);
      expect(rect.x + rect.width).toBeLessThanOrEqual(800.001);
      expect(rect.y + rect.height).toBeLessThanOrEqual(400.001);
      for (const other of rects.slice(index + 1)) expect(overlap(rect, other)).toBeCloseTo(0, 3);
    }
  });
  it("makes rectangles near to squares", () => {
    const even = treemap(
      Array.from({ length: 16 }, () => 1),
      400,
      400,
    );
    for (const rect of even) expect(rect.width / rect.height).toBeCloseTo(1);
  });
  it("bears nothing at all, and tables of no bytes", () => {
    expect(treemap([], 100, 100)).toEqual([]);
    expect(treemap([0, 0], 100, 100).map(area)).toEqual([0, 0]);
    expect(treemap([5, 0], 100, 100).map(area)).toEqual([10_000, 0]);
  });
});

describe("neighbour", () => {
  const rects = treemap([1, 1, 1, 1], 200, 200);
  const at = (x: number, y: number) => rects.findIndex((rect) => rect.x === x && rect.y === y);
  it("goes where the arrow points", () => {
    expect(neighbour(rects, at(0, 0), 1, 0)).toBe(at(100, 0));
    expect(neighbour(rects, at(0, 0), 0, 1)).toBe(at(0, 100));
    expect(neighbour(rects, at(100, 100), -1, 0)).toBe(at(0, 100));
  });
  it("finds nothing beyond the edge", () => expect(neighbour(rects, at(0, 0), -1, 0)).toBeNull());
});
