// What of alerts, advice, shapes and sessions concerns one shape of statement. Pure.
import type { Advice, Alert, CacheShape, QueryStatistics } from "@/api/types";

export const alertsOf = (alerts: readonly Alert[], fingerprint: string): Alert[] =>
  alerts.filter((alert) => alert.fingerprint === fingerprint);

/** Traces that its alerts name, the latest alert's first, each once. */
export const tracesOf = (alerts: readonly Alert[]): string[] => [
  ...new Set(alerts.flatMap((alert) => alert.traces)),
];

export const shapesOf = (shapes: readonly CacheShape[], fingerprint: string): CacheShape[] =>
  shapes.filter((shape) => shape.fingerprint === fingerprint);

export interface Related {
  advice: Advice;
  /** It names the statement itself, not only a table that the statement reads. */
  isNamed: boolean;
}

/** Advice that names the shape, and then advice about tables in its text. */
export function adviceOf(advice: readonly Advice[], fingerprint: string, query: string): Related[] {
  const found = advice.flatMap((one) => {
    const isNamed = [one.id, one.summary, one.reason, one.statement].some((text) =>
      text.includes(fingerprint),
    );
    return isNamed || mentions(query, one.table) ? [{ advice: one, isNamed }] : [];
  });
  return found.sort((a, b) => Number(b.isNamed) - Number(a.isNamed));
}

/** Whether a statement has a table in it, with or without the schema, as a whole word. */
function mentions(query: string, table: string): boolean {
  const name = table.split(".").at(-1) ?? "";
  if (name === "") return false;
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(^|[^\\w$])"?${escaped}"?($|[^\\w$])`, "i").test(query);
}

/** The figures of the chosen database; without a choice, of the one with the most total time. */
export function mostOf(rows: readonly QueryStatistics[], database: string): QueryStatistics | null {
  if (database !== "") return rows.find((row) => row.database === database) ?? null;
  return rows.reduce<QueryStatistics | null>(
    (most, row) => (!most || row.total_ms > most.total_ms ? row : most),
    null,
  );
}
