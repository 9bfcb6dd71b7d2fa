// Fewer points that draw the same line: of every bucket the lowest and the highest point of each series. Pure.

export type Column = readonly (number | null)[];

/** `columns[0]` is x. What comes back has at most `2 × series × buckets` points, in order, with all peaks. */
export function decimate(columns: readonly Column[], buckets: number): readonly Column[] {
  const [xs, ...series] = columns;
  if (!xs || xs.length <= buckets * 4) return columns;
  const kept = new Set<number>([0, xs.length - 1]);
  const size = xs.length / buckets;
  for (let bucket = 0; bucket < buckets; bucket += 1) {
    const from = Math.floor(bucket * size);
    const to = Math.min(xs.length, Math.floor((bucket + 1) * size));
    for (const ys of series) keepExtremes(ys, from, to, kept);
  }
  const order = [...kept].sort((a, b) => a - b);
  return columns.map((column) => order.map((index) => column[index] ?? null));
}

function keepExtremes(ys: Column, from: number, to: number, kept: Set<number>): void {
  let low = -1;
  let high = -1;
  let gap = -1;
  for (let index = from; index < to; index += 1) {
    const y = ys[index];
    if (y === null || y === undefined) {
      gap = index;
      continue;
    }
    if (low < 0 || y < (ys[low] ?? 0)) low = index;
    if (high < 0 || y > (ys[high] ?? 0)) high = index;
  }
  for (const index of [low, high, gap]) if (index >= 0) kept.add(index);
}

/** Where a moment stands among moments in order: the first that is not before it. */
export function placeOf(xs: Column, x: number): number {
  let [low, high] = [0, Math.max(0, xs.length - 1)];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((xs[middle] ?? 0) < x) low = middle + 1;
    else high = middle;
  }
  return low;
}
