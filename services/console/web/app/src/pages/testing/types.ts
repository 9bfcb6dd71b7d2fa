// Reports of the built-in verification and benchmark.
import type { JobState, Paged, Progress } from "@/api";

export const RUN = "/database/testing/run-comprehensive";
export const QUICK = "/database/testing/quick-benchmark";
export const REPORTS = "/database/testing/reports";

export type ModeName = "connect_per_request" | "direct" | "pooled" | "pooled_cached";
export type Verdict = "pass" | "fail" | "skipped" | "unknown";
export type Unit = "ms" | "ratio" | "none";

interface ReportHead {
  id: string;
  kind: "comprehensive" | "quick";
  state: JobState;
  verdict: Verdict;
  requested_by: string;
  started_unix_ms: number;
  ended_unix_ms: number;
  error: string;
  progress: Progress | null;
}

export interface ReportSummary extends ReportHead {
  queries_per_second: number | null;
  p95_ms: number | null;
  checks_passed: number;
  checks_failed: number;
  checks_skipped: number;
}

export interface ReportsResponse extends Paged {
  reports: ReportSummary[];
}

export interface Setup {
  weir_version: string;
  server_version: string;
  upstream: string;
  database: string;
  schema: string;
  rows: number;
  clients: number;
  seconds: number;
  seed: number;
  cores: number;
  statements: { name: string; sql: string; share: number }[];
}

export interface Step {
  name: string;
  title: string;
  state: JobState | "skipped";
  took_ms: number | null;
  note: string;
}

export interface ModeSpan {
  at_unix_ms: number;
  calls: number;
  errors: number;
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
}

export interface Mode {
  mode: ModeName;
  title: string;
  started_unix_ms: number;
  took_ms: number;
  clients: number;
  calls: number;
  errors: number;
  success_ratio: number | null;
  queries_per_second: number;
  p50_ms: number;
  p95_ms: number;
  p99_ms: number;
  mean_ms: number;
  max_ms: number;
  connect_p50_ms: number | null;
  connect_p95_ms: number | null;
  connect_share: number;
  connections_opened: number | null;
  pool_efficiency: number | null;
  hit_ratio: number | null;
  spans: ModeSpan[];
}

export interface Check {
  name: string;
  title: string;
  direction: "below" | "above" | "is";
  target: number | null;
  measured: number | null;
  unit: Unit;
  verdict: Verdict;
  note: string;
}

export interface Report extends ReportHead {
  setup: Setup;
  steps: Step[];
  modes: Mode[];
  checks: Check[];
}
