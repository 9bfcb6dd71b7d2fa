// What a change brought: how statements fared before it and since, from the timeline around it. Pure.
import type { TimelineSpan } from "@/api";

export interface Fared {
  calls: number;
  meanMs: number;
  /** The middle of the spans' own, weighted by calls. */
  p95Ms: number;
  errors: number;
}

export interface Effect {
  before: Fared | null;
  after: Fared | null;
}

export function effectOf(spans: readonly TimelineSpan[], atUnixMs: number): Effect {
  return {
    before: faredIn(spans.filter((span) => span.to_unix_ms <= atUnixMs)),
    after: faredIn(spans.filter((span) => span.from_unix_ms >= atUnixMs)),
  };
}

function faredIn(spans: readonly TimelineSpan[]): Fared | null {
  const known = spans.flatMap(({ statistics }) => (statistics && statistics.calls > 0 ? [statistics] : []));
  const sum = (of: (one: (typeof known)[number]) => number) => known.reduce((all, one) => all + of(one), 0);
  const calls = sum((one) => one.calls);
  if (calls === 0) return null;
  return {
    calls,
    meanMs: sum((one) => one.total_ms) / calls,
    p95Ms: sum((one) => one.p95_ms * one.calls) / calls,
    errors: sum((one) => one.errors),
  };
}

/** By how much something changed: -0.25 is a quarter less. null: there is no telling. */
export const changeOf = (before: number, after: number): number | null =>
  before > 0 ? (after - before) / before : null;
