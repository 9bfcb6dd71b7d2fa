// The alerts that fire, from the list and from the events since: an event is on the page before the list is. Pure.
import type { Alert, LiveEvent } from "@/api";
import type { AlertFiring, AlertResolved } from "./types";

const RANK: Record<string, number> = { critical: 0, warning: 1, info: 2 };

/** Worst first; of the same severity what nobody looks after, then the newest. */
export function worstFirst(alerts: readonly Alert[]): Alert[] {
  return [...alerts].sort(
    (a, b) =>
      (RANK[a.severity] ?? 3) - (RANK[b.severity] ?? 3) ||
      Number(isCared(a)) - Number(isCared(b)) ||
      b.since_unix_ms - a.since_unix_ms,
  );
}

/** Whether nobody needs to be told of it: it is looked after, silenced, or explained by another. */
export const isCared = (alert: Alert): boolean =>
  alert.acknowledged_by !== "" || alert.silenced_by !== "" || alert.inhibited_by !== "";

export const alertOf = (firing: AlertFiring): Alert => ({
  id: firing.id,
  rule: firing.rule,
  severity: firing.severity,
  state: "firing",
  project: firing.project,
  labels: firing.labels,
  summary: firing.summary,
  value: firing.value,
  threshold: firing.threshold,
  since_unix_ms: firing.since_unix_ms,
  resolved_unix_ms: 0,
  fingerprint: firing.fingerprint,
  runbook: firing.runbook,
  flapping: false,
  silenced_by: "",
  inhibited_by: "",
  acknowledged_by: "",
  acknowledged_note: "",
  acknowledged_unix_ms: 0,
  traces: firing.traceparent ? [firing.traceparent.split("-")[1] ?? ""].filter(Boolean) : [],
});

/** What an event said, and when it came: it fires, or (null) it has ended. */
interface Said {
  alert: Alert | null;
  atUnixMs: number;
}

export type Told = ReadonlyMap<string, Said>;

/** The list may be this much behind the events; what was told longer before it was read is in it. */
const LAG_MS = 3000;
const TOLD_MAX = 500;

export function tell(told: Told, event: LiveEvent, atUnixMs: number): Told {
  const data = (event.data as { data?: AlertFiring | AlertResolved }).data;
  if (!data?.id) return told;
  const next = new Map([...told].slice(-TOLD_MAX));
  next.set(data.id, {
    alert: event.kind === "alert.firing" ? alertOf(data as AlertFiring) : null,
    atUnixMs,
  });
  return next;
}

/** The list, with what was told since. What both know is as the list has it, which knows more. */
export function withTold(listed: readonly Alert[], told: Told, listedUnixMs: number): Alert[] {
  const fresh = [...told].filter(([, said]) => said.atUnixMs > listedUnixMs - LAG_MS);
  const ids = new Set(listed.map((alert) => alert.id));
  const ended = new Set(fresh.filter(([, said]) => said.alert === null).map(([id]) => id));
  const added = fresh.flatMap(([id, said]) => (said.alert && !ids.has(id) ? [said.alert] : []));
  return worstFirst([...added, ...listed.filter((alert) => !ended.has(alert.id))]);
}
