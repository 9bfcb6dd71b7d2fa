// What was refused, gathered by who asked: one who asks again and again is one line. Pure.
import type { AuditEntry } from "./types";

export interface Refused {
  actor: string;
  remote: string;
  count: number;
  lastUnixMs: number;
  /** The actions, the most frequent first. */
  actions: { action: string; count: number }[];
  statuses: number[];
}

export function gatherRefused(entries: readonly AuditEntry[]): Refused[] {
  const found = new Map<string, AuditEntry[]>();
  for (const entry of entries) {
    const key = `${entry.actor}\n${entry.remote}`;
    const same = found.get(key);
    if (same) same.push(entry);
    else found.set(key, [entry]);
  }
  return [...found.values()]
    .flatMap((same) => (same[0] ? [summaryOf(same[0], same)] : []))
    .sort((a, b) => b.count - a.count || b.lastUnixMs - a.lastUnixMs);
}

function summaryOf(first: AuditEntry, same: readonly AuditEntry[]): Refused {
  const counts = new Map<string, number>();
  for (const { action } of same) counts.set(action, (counts.get(action) ?? 0) + 1);
  return {
    actor: first.actor,
    remote: first.remote,
    count: same.length,
    lastUnixMs: Math.max(...same.map((entry) => entry.at_unix_ms)),
    actions: [...counts].map(([action, count]) => ({ action, count })).sort((a, b) => b.count - a.count),
    statuses: [...new Set(same.map((entry) => entry.status ?? 0))].sort((a, b) => a - b),
  };
}

const REASONS: Record<number, string> = {
  401: "unknown token",
  403: "not allowed",
  404: "not theirs, or not there",
  429: "too many calls",
};

export const reasonOf = (status: number): string => REASONS[status] ?? `status ${status}`;

export interface Outcome {
  tone: "good" | "warn" | "bad" | "plain";
  word: string;
}

/** What became of a call, by the status it was answered with. */
export function outcomeOf(status: number | null): Outcome {
  if (status === null) return { tone: "warn", word: "no answer" };
  if (status < 400) return { tone: "good", word: "done" };
  if (status >= 500) return { tone: "bad", word: "failed" };
  if (status === 401 || status === 403) return { tone: "bad", word: "refused" };
  return { tone: "warn", word: "not done" };
}
