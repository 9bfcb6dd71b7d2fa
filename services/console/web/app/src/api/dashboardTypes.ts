// What the overview reads at once, and the figures of each second.
import type { Alert, Job, Pool, QueryStatistics } from "./types";

export type HealthState = "ok" | "degraded" | "down" | "unknown";

export interface HealthPart {
  name: string;
  kind: "aspect" | "service" | "dependency";
  state: HealthState;
  since_unix_ms: number;
  latency_ms: number | null;
  note: string;
}

export interface Health {
  state: HealthState;
  since_unix_ms: number;
  summary: string;
  parts: HealthPart[];
}

export interface PoolFigures {
  total: number;
  idle: number;
  active: number;
  waiting: number;
  max: number;
}

/** This second. What is null is not known: nothing ran, a service is away, or it is for the operator only. */
export interface Figures {
  at_unix_ms: number;
  project: string;
  queries_per_second: number | null;
  errors_per_second: number | null;
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
  cache_hit_ratio: number | null;
  pool: PoolFigures | null;
  alerts: { critical: number; warning: number; info: number } | null;
  jobs_running: number | null;
}

export interface HistoryPoint {
  at_unix_ms: number;
  queries_per_second: number | null;
  errors_per_second: number | null;
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
  cache_hit_ratio: number | null;
  pool_active: number | null;
  pool_waiting: number | null;
}

export interface DashboardPool {
  pool: Pool;
  /** null: the gateway does not say. */
  paused: boolean | null;
  breaker: "unspecified" | "closed" | "open" | "half_open";
}

export interface DashboardCache {
  hit_ratio: number | null;
  lookups_per_second: number;
  saved_ms_per_second: number;
  entries: number;
  bytes: number;
  lag_p99_ms: number | null;
  followers: number;
  followers_behind: number;
}

export interface DashboardBackups {
  last_success_unix_ms: number;
  last_proof_unix_ms: number;
  running: number;
  recoverable_from_unix_ms: number;
  recoverable_until_unix_ms: number;
  wal_lag_bytes: number | null;
  failed_lately: number;
}

export interface DashboardResponse {
  at_unix_ms: number;
  project: string;
  health: Health;
  figures: Figures | null;
  history: HistoryPoint[];
  pools: DashboardPool[];
  cache: DashboardCache | null;
  alerts: Alert[];
  alerts_firing: number;
  jobs: Job[];
  queries: QueryStatistics[];
  backups: DashboardBackups | null;
  missing: string[];
}
