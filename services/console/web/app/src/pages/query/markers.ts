// Moments worth marking on a statement's timeline. Pure.
import type { Alert, QueryChange } from "@/api/types";
import { duration } from "@/format";
import type { Marker } from "@/ui/chartOptions";

export function markersOf(
  fingerprint: string,
  alerts: readonly Alert[],
  changes: readonly QueryChange[],
  plansAt: readonly number[],
): Marker[] {
  return [
    ...alerts
      .filter((alert) => alert.fingerprint === fingerprint)
      .map((alert) => ({ atUnixMs: alert.since_unix_ms, label: `alert: ${alert.rule}`, color: "series-4" })),
    ...changes
      .filter((change) => change.fingerprint === fingerprint)
      .map((change) => ({
        atUnixMs: change.at_unix_ms,
        label: `latency level: ${duration(change.before_ms)} to ${duration(change.after_ms)}`,
        color: "series-5",
      })),
    ...plansAt.map((atUnixMs) => ({ atUnixMs, label: "new plan", color: "series-6" })),
  ];
}
