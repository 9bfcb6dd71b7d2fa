// Squarified treemap: rectangles as large as their values, as near to squares as they go, in a box. Pure.

export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** One rectangle for each value, in the same order. Values must be sorted, the greatest first; none below zero. */
export function treemap(values: readonly number[], width: number, height: number): Rect[] {
  const total = values.reduce((sum, value) => sum + value, 0);
  if (total <= 0 || width <= 0 || height <= 0) return values.map(() => ({ x: 0, y: 0, width: 0, height: 0 }));
  const scale = (width * height) / total;
  const areas = values.map((value) => value * scale);
  const rects: Rect[] = [];
  let box: Rect = { x: 0, y: 0, width, height };
  let from = 0;
  while (from < areas.length) {
    const to = rowEnd(areas, from, Math.min(box.width, box.height));
    const row = areas.slice(from, to);
    rects.push(...layRow(row, box));
    box = restOf(row, box);
    from = to;
  }
  return rects;
}

/** How many go into one row: as long as the worst of them gets nearer to a square. */
function rowEnd(areas: readonly number[], from: number, side: number): number {
  let to = from + 1;
  let worst = worstOf(areas.slice(from, to), side);
  while (to < areas.length) {
    const next = worstOf(areas.slice(from, to + 1), side);
    if (next > worst) break;
    worst = next;
    to += 1;
  }
  return to;
}

function worstOf(row: readonly number[], side: number): number {
  const sum = row.reduce((total, area) => total + area, 0);
  const [most, least] = [Math.max(...row), Math.min(...row)];
  if (sum === 0 || least === 0) return Number.POSITIVE_INFINITY;
  return Math.max((side * side * most) / (sum * sum), (sum * sum) / (side * side * least));
}

/** A row lies along the shorter side of the box. */
function layRow(row: readonly number[], box: Rect): Rect[] {
  const sum = row.reduce((total, area) => total + area, 0);
  const isColumn = box.width >= box.height;
  const depth = sum === 0 ? 0 : sum / (isColumn ? box.height : box.width);
  let at = isColumn ? box.y : box.x;
  return row.map((area) => {
    const length = depth === 0 ? 0 : area / depth;
    const rect = isColumn
      ? { x: box.x, y: at, width: depth, height: length }
      : { x: at, y: box.y, width: length, height: depth };
    at += length;
    return rect;
  });
}

function restOf(row: readonly number[], box: Rect): Rect {
  const sum = row.reduce((total, area) => total + area, 0);
  if (box.width >= box.height) {
    const depth = box.height === 0 ? 0 : sum / box.height;
    return { ...box, x: box.x + depth, width: Math.max(0, box.width - depth) };
  }
  const depth = sum / box.width;
  return { ...box, y: box.y + depth, height: Math.max(0, box.height - depth) };
}

/** The rectangle next to one in a direction: the nearest whose middle lies there. null: there is none. */
export function neighbour(rects: readonly Rect[], index: number, dx: number, dy: number): number | null {
  const here = rects[index];
  if (!here) return null;
  const [x, y] = middle(here);
  let best: number | null = null;
  let least = Number.POSITIVE_INFINITY;
  rects.forEach((rect, other) => {
    const [ox, oy] = middle(rect);
    const along = dx * (ox - x) + dy * (oy - y);
    const across = Math.abs(dy * (ox - x)) + Math.abs(dx * (oy - y));
    if (other === index || along <= 0.5) return;
    const far = along + across * 2;
    if (far < least) [best, least] = [other, far];
  });
  return best;
}

const middle = (rect: Rect): [number, number] => [rect.x + rect.width / 2, rect.y + rect.height / 2];
