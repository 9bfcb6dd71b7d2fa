// Which statements stay, and which orders the console knows. Pure.
import type { QueryStatistics } from "@/api/types";

export const KINDS = [
  { value: "", title: "All kinds" },
  ...["select", "insert", "update", "delete", "merge", "copy", "ddl", "transaction", "utility"].map(
    (kind) => ({
      value: kind,
      title: kind === "ddl" ? "DDL" : kind,
    }),
  ),
];

/** The console's name for an order, by our column. By `total_ms` it sorts unasked. */
export const SERVER_SORTS: Record<string, string> = {
  calls: "calls",
  mean_ms: "mean",
  p95_ms: "p95",
  p99_ms: "p99",
  max_ms: "max",
  errors: "errors",
  rows: "rows",
  wait_ms: "wait",
  last_seen_unix_ms: "last_seen",
};

/** While a new answer is awaited, what the old one has too much is taken out here. */
export function keptBy(
  rows: readonly QueryStatistics[],
  kind: string,
  database: string,
): readonly QueryStatistics[] {
  if (kind === "" && database === "") return rows;
  return rows.filter(
    (row) => (kind === "" || row.kind === kind) && (database === "" || row.database === database),
  );
}

/** The part of look-ups that the cache answered; null: it was never asked. */
export function hitRatio(row: QueryStatistics): number | null {
  const lookups = row.cache_hits + row.cache_misses;
  return lookups === 0 ? null : row.cache_hits / lookups;
}
