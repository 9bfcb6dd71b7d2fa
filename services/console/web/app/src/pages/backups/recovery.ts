// To which moments one can go back, where backups lie among them, and how each is built upon others. Pure.
import type { Backup, LogPosition, RecoveryWindow } from "./types";

export interface Span {
  fromUnixMs: number;
  toUnixMs: number;
}

/** Whether one can go back to a moment. */
export const isRecoverable = (windows: readonly RecoveryWindow[], atUnixMs: number): boolean =>
  windows.some((window) => window.from_unix_ms <= atUnixMs && atUnixMs <= window.to_unix_ms);

/** The nearest moment to which one can go back. null: there is none at all. */
export function nearestRecoverable(windows: readonly RecoveryWindow[], atUnixMs: number): number | null {
  let best: number | null = null;
  for (const { from_unix_ms, to_unix_ms } of windows) {
    const at = Math.min(Math.max(atUnixMs, from_unix_ms), to_unix_ms);
    if (best === null || Math.abs(at - atUnixMs) < Math.abs(best - atUnixMs)) best = at;
  }
  return best;
}

/** The first and the last moment to which one can go back. */
export function reachOf(windows: readonly RecoveryWindow[]): Span | null {
  if (windows.length === 0) return null;
  return {
    fromUnixMs: Math.min(...windows.map((window) => window.from_unix_ms)),
    toUnixMs: Math.max(...windows.map((window) => window.to_unix_ms)),
  };
}

/** Spans between windows, where log is missing. */
export function gapsOf(windows: readonly RecoveryWindow[]): Span[] {
  const sorted = [...windows].sort((a, b) => a.from_unix_ms - b.from_unix_ms);
  const gaps: Span[] = [];
  let end = sorted[0]?.to_unix_ms ?? 0;
  for (const window of sorted.slice(1)) {
    if (window.from_unix_ms > end) gaps.push({ fromUnixMs: end, toUnixMs: window.from_unix_ms });
    end = Math.max(end, window.to_unix_ms);
  }
  return gaps;
}

/** What one repository alone gives back: each window from the first backup of it that the repository holds. */
export function spansOf(
  windows: readonly RecoveryWindow[],
  backups: readonly Backup[],
  repository: string,
): Span[] {
  const held = new Map(
    backups.filter((one) => one.repositories.includes(repository)).map((one) => [one.id, one.ended_unix_ms]),
  );
  return windows.flatMap((window) => {
    const begins = window.backup_ids.flatMap((id) => held.get(id) ?? []);
    if (begins.length === 0) return [];
    const fromUnixMs = Math.max(window.from_unix_ms, Math.min(...begins));
    return fromUnixMs <= window.to_unix_ms ? [{ fromUnixMs, toUnixMs: window.to_unix_ms }] : [];
  });
}

/** Where a moment lies in a span, from 0 to 1; beyond it where it lies outside. */
export const placeIn = (span: Span, atUnixMs: number): number =>
  (atUnixMs - span.fromUnixMs) / Math.max(1, span.toUnixMs - span.fromUnixMs);

/** A span as left and width in percent of another; null where they do not meet. */
export function cutTo(span: Span, within: Span): { left: number; width: number } | null {
  const from = Math.max(0, placeIn(within, span.fromUnixMs));
  const to = Math.min(1, placeIn(within, span.toUnixMs));
  return to < 0 || from > 1 || to < from ? null : { left: from * 100, width: (to - from) * 100 };
}

/** The backups that one takes unchanged data from, the nearest first. */
export function chainOf(backups: readonly Backup[], backup: Backup): Backup[] {
  const byId = new Map(backups.map((one) => [one.id, one]));
  const chain: Backup[] = [];
  const seen = new Set([backup.id]);
  let next = byId.get(backup.based_on_id);
  while (next && !seen.has(next.id)) {
    seen.add(next.id);
    chain.push(next);
    next = byId.get(next.based_on_id);
  }
  return chain;
}

/** Round moments in a span, some six of them, each at a full hour, day or week of the viewer's clock. */
export function ticksOf(span: Span, most = 7): number[] {
  const stepMs = STEPS_MS.find((step) => (span.toUnixMs - span.fromUnixMs) / step <= most) ?? 30 * DAY_MS;
  const shift = new Date(span.toUnixMs).getTimezoneOffset() * 60_000;
  const ticks: number[] = [];
  const first = Math.ceil((span.fromUnixMs - shift) / stepMs) * stepMs + shift;
  for (let at = first; at <= span.toUnixMs; at += stepMs) ticks.push(at);
  return ticks;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const STEPS_MS = [
  HOUR_MS,
  3 * HOUR_MS,
  6 * HOUR_MS,
  12 * HOUR_MS,
  DAY_MS,
  2 * DAY_MS,
  7 * DAY_MS,
  14 * DAY_MS,
];

/** A place in the log as PostgreSQL writes it: 1/4A0000F8. */
export function lsnText(position: LogPosition | null): string {
  if (!position) return "–";
  const high = Math.floor(position.lsn / 0x1_0000_0000);
  const low = position.lsn % 0x1_0000_0000;
  return `${high.toString(16).toUpperCase()}/${low.toString(16).toUpperCase()}`;
}
