// The heat-map's cells: how many calls of a span fell in which class of latency. Pure.
import type { HeatmapResponse, HeatmapSpan } from "@/api/types";

export interface HeatRow {
  /** In milliseconds; null: without end. */
  fromMs: number;
  toMs: number | null;
}

export interface Heat {
  spans: readonly HeatmapSpan[];
  /** The classes in use, the fastest first. */
  rows: HeatRow[];
  /** `counts[span][row]` */
  counts: number[][];
  most: number;
  /** The time that the picture shows. */
  fromUnixMs: number;
  toUnixMs: number;
}

/** Leaves out the classes above and below all that happened, so that the picture fills its frame. */
export function heatOf(
  { spans, bounds_ms }: Pick<HeatmapResponse, "spans" | "bounds_ms">,
  sinceUnixMs: number,
  untilUnixMs: number,
): Heat {
  const time = {
    fromUnixMs: Math.min(sinceUnixMs, spans[0]?.from_unix_ms ?? sinceUnixMs),
    toUnixMs: Math.max(untilUnixMs, spans.at(-1)?.to_unix_ms ?? untilUnixMs),
  };
  const classes = Math.max(bounds_ms.length, ...spans.map((span) => span.counts.length));
  const totals = Array.from({ length: classes }, (_, at) =>
    spans.reduce((sum, span) => sum + (span.counts[at] ?? 0), 0),
  );
  const first = totals.findIndex((total) => total > 0);
  const last = totals.findLastIndex((total) => total > 0);
  if (first < 0) return { spans, rows: [], counts: [], most: 0, ...time };
  const rows = Array.from({ length: last - first + 1 }, (_, at) => ({
    fromMs: bounds_ms[first + at - 1] ?? 0,
    toMs: bounds_ms[first + at] ?? null,
  }));
  const counts = spans.map((span) => rows.map((_, at) => span.counts[first + at] ?? 0));
  return { spans, rows, counts, most: Math.max(0, ...counts.flat()), ...time };
}

/** How strong a cell is, 0 to 1: by the logarithm, so that the few slow calls are seen beside the many fast ones. */
export const strengthOf = (count: number, most: number): number =>
  count === 0 || most === 0 ? 0 : Math.max(0.08, Math.log1p(count) / Math.log1p(most));

export interface Place {
  /** Parts of the width, 0 to 1. */
  left: number;
  width: number;
}

/** Where a span stands. Those in which nothing ran are left out of answers, and their places stay free. */
export function placeOf({ spans, fromUnixMs, toUnixMs }: Heat, index: number): Place {
  const span = spans[index];
  const whole = Math.max(1, toUnixMs - fromUnixMs);
  if (!span) return { left: 0, width: 0 };
  return {
    left: (span.from_unix_ms - fromUnixMs) / whole,
    width: (span.to_unix_ms - span.from_unix_ms) / whole,
  };
}

/** The span at a part of the width; null: nothing ran there. */
export function spanAt({ spans, fromUnixMs, toUnixMs }: Heat, part: number): number | null {
  const at = fromUnixMs + part * (toUnixMs - fromUnixMs);
  const index = spans.findIndex((span) => at >= span.from_unix_ms && at < span.to_unix_ms);
  return index < 0 ? null : index;
}
