// What a report says in figures: bars on one scale, how ways compare, checks in words. Pure.
import { duration, exact, ratio } from "@/format";
import type { Check, Mode, Report } from "./types";

export interface BarOf {
  label: string;
  value: number;
  /** Of the scale, 0 to 1. */
  part: number;
}

/**
 * Bars on one scale. Where the greatest is more than fifty times the least, the scale is logarithmic, or nothing would
 * be seen of the small.
 */
export function barsOf(values: readonly { label: string; value: number }[]): {
  bars: BarOf[];
  isLog: boolean;
} {
  const known = values.map((one) => one.value).filter((value) => value > 0);
  const [least, most] = [Math.min(...known), Math.max(...known)];
  if (known.length === 0) return { bars: values.map((one) => ({ ...one, part: 0 })), isLog: false };
  const isLog = most / least > 50;
  const low = Math.log10(least) - 0.3;
  const part = (value: number) => {
    if (value <= 0) return 0;
    return isLog ? (Math.log10(value) - low) / (Math.log10(most) - low) : value / most;
  };
  return { bars: values.map((one) => ({ ...one, part: part(one.value) })), isLog };
}

/** `3.2 × as many as connecting each time`; empty where there is nothing to compare with. */
export function gainOf(mode: Mode, modes: readonly Mode[]): string {
  const base = modes.find((one) => one.mode === "connect_per_request");
  if (!base || base === mode || base.queries_per_second <= 0) return "";
  const times = mode.queries_per_second / base.queries_per_second;
  return `${times >= 10 ? Math.round(times) : times.toFixed(1)} × connecting each time`;
}

export function inUnit(value: number | null, unit: string): string {
  if (value === null) return "–";
  if (unit === "ms") return duration(value);
  return unit === "ratio" ? ratio(value) : exact(value);
}

export function targetWords(check: Check): string {
  if (check.direction === "is" || check.target === null) return "yes";
  return `${check.direction === "below" ? "<" : ">"} ${inUnit(check.target, check.unit)}`;
}

export function measuredWords(check: Check): string {
  if (check.measured !== null) return inUnit(check.measured, check.unit);
  if (check.direction !== "is") return "–";
  return { pass: "yes", fail: "no", skipped: "–", unknown: "–" }[check.verdict];
}

/** `[moments, p50, p95, p99]` of all ways one after the other, with a gap between two. */
export function seriesOf(modes: readonly Mode[]): (number | null)[][] {
  const columns: (number | null)[][] = [[], [], [], []];
  const push = (...values: (number | null)[]) => {
    for (const [index, value] of values.entries()) columns[index]?.push(value);
  };
  for (const mode of [...modes].sort((a, b) => a.started_unix_ms - b.started_unix_ms)) {
    if (mode.spans.length === 0) continue;
    if ((columns[0]?.length ?? 0) > 0) push(mode.started_unix_ms - 1, null, null, null);
    for (const span of mode.spans) push(span.at_unix_ms, span.p50_ms, span.p95_ms, span.p99_ms);
  }
  return columns;
}

export const isRunning = (report: Pick<Report, "state">): boolean =>
  report.state === "running" || report.state === "requested";
