// Spans of a timeline as columns of a chart, with gaps where nothing ran. Pure.
import type { QueryStatistics, TimelineSpan } from "@/api/types";
import type { Column } from "@/ui/decimate";

type Pick = (row: QueryStatistics, seconds: number) => number;

/** A point in the middle of each span; a gap where spans do not follow one another. */
export function timelineColumns(spans: readonly TimelineSpan[], picks: readonly Pick[]): Column[] {
  const xs: number[] = [];
  const ys: (number | null)[][] = picks.map(() => []);
  let before: number | null = null;
  for (const { from_unix_ms, to_unix_ms, statistics } of spans) {
    if (before !== null && from_unix_ms - before > to_unix_ms - from_unix_ms) {
      xs.push(before + 1);
      for (const column of ys) column.push(null);
    }
    xs.push((from_unix_ms + to_unix_ms) / 2);
    const seconds = Math.max(0.001, (to_unix_ms - from_unix_ms) / 1000);
    for (const [index, pick] of picks.entries())
      ys[index]?.push(statistics ? pick(statistics, seconds) : null);
    before = to_unix_ms;
  }
  return [xs, ...ys];
}
