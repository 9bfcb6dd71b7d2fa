// The last hour as the overview draws it: what the answer says of it, continued by live figures. Pure.
import type { Figures, HistoryPoint } from "@/api/types";
import type { Column } from "@/ui/decimate";

const SPAN_MS = 3_600_000;

export function pointOf(figures: Figures): HistoryPoint {
  const { pool, alerts: _, jobs_running: __, project: ___, ...rest } = figures;
  return { ...rest, pool_active: pool?.active ?? null, pool_waiting: pool?.waiting ?? null };
}

/** Adds a live point; what is older than an hour goes. A point that is not newer than the last is left out. */
export function addPoint(points: readonly HistoryPoint[], point: HistoryPoint): HistoryPoint[] {
  const last = points.at(-1);
  if (last && last.at_unix_ms >= point.at_unix_ms) return [...points];
  const oldest = point.at_unix_ms - SPAN_MS;
  const from = points.findIndex((one) => one.at_unix_ms >= oldest);
  return [...(from < 0 ? [] : points.slice(from)), point];
}

/** The answer's points up to where the live ones begin, then the live ones. */
export function mergePoints(history: readonly HistoryPoint[], live: readonly HistoryPoint[]): HistoryPoint[] {
  const first = live[0]?.at_unix_ms ?? Number.POSITIVE_INFINITY;
  const last = live.at(-1)?.at_unix_ms ?? 0;
  return [...history.filter((point) => point.at_unix_ms < first), ...live].filter(
    (point) => point.at_unix_ms >= last - SPAN_MS,
  );
}

type Key = Exclude<keyof HistoryPoint, "at_unix_ms">;

/** Columns for a chart. Where nothing was told for long, the lines break. */
export function columnsOf(points: readonly HistoryPoint[], keys: readonly Key[]): Column[] {
  const xs: number[] = [];
  const ys: (number | null)[][] = keys.map(() => []);
  let before = Number.NaN;
  for (const point of points) {
    if (point.at_unix_ms - before > GAP_MS) {
      xs.push(before + 1);
      for (const column of ys) column.push(null);
    }
    xs.push(point.at_unix_ms);
    for (const [index, key] of keys.entries()) ys[index]?.push(point[key]);
    before = point.at_unix_ms;
  }
  return [xs, ...ys];
}

const GAP_MS = 45_000;

/** The last minutes of one figure, as a trend of some dozen points. */
export function trendOf(points: readonly HistoryPoint[], key: Key, spanMs = 900_000): (number | null)[] {
  const end = points.at(-1)?.at_unix_ms ?? 0;
  const bins: { sum: number; count: number }[] = Array.from({ length: BINS }, () => ({ sum: 0, count: 0 }));
  for (const point of points) {
    const value = point[key];
    const bin = bins[BINS - 1 - Math.floor(((end - point.at_unix_ms) / spanMs) * BINS)];
    if (value === null || !bin) continue;
    bin.sum += value;
    bin.count += 1;
  }
  return bins.map(({ sum, count }) => (count === 0 ? null : sum / count));
}

const BINS = 45;
