// The answers of the console in the shapes of the protocol (proto/weir/*/v1). Names are snake_case, units last; an
// optional field that is not set is null; enum values are lower-case words.

export type * from "./dashboardTypes";

// ── common ──

export type StatementKind =
  | "unspecified"
  | "select"
  | "insert"
  | "update"
  | "delete"
  | "merge"
  | "copy"
  | "ddl"
  | "transaction"
  | "utility";

export type Severity = "unspecified" | "info" | "warning" | "critical";

export type JobState = "unspecified" | "requested" | "running" | "succeeded" | "failed" | "cancelled";

export interface Progress {
  done: number;
  total: number;
  note: string;
}

export interface Pool {
  upstream: string;
  database: string;
  role: string;
  total: number;
  idle: number;
  active: number;
  waiting: number;
  max: number;
  min: number;
  opened_total: number;
  closed_total: number;
}

/** What every list says besides its entries. */
export interface Paged {
  next: string | null;
}

// ── session ──

export interface Session {
  /** null: the operator, who sees all projects. */
  project: string | null;
  role: "viewer" | "operator";
  name: string;
  profile: string;
  version: string;
  projects: string[];
}

// ── monitor ──

export interface QueryStatistics {
  fingerprint: string;
  query: string;
  kind: StatementKind;
  database: string;
  calls: number;
  errors: number;
  rows: number;
  p50_ms: number;
  p95_ms: number;
  p99_ms: number;
  mean_ms: number;
  max_ms: number;
  total_ms: number;
  wait_ms: number;
  first_seen_unix_ms: number;
  last_seen_unix_ms: number;
  cache_hits: number;
  cache_misses: number;
  slow_calls: number;
  bytes_in: number;
  bytes_out: number;
  server_ms: number;
  drain_ms: number;
  wait_p95_ms: number;
  server_p95_ms: number;
  drain_p95_ms: number;
  errors_by_class: Record<string, number>;
  writes: boolean;
}

export interface QueriesResponse extends Paged {
  queries: QueryStatistics[];
  missing: string;
}

/** One shape, on each database where it ran. */
export interface QueryResponse {
  fingerprint: string;
  query: string;
  kind: StatementKind;
  project: string;
  databases: QueryStatistics[];
  missing: string;
}

export interface TimelineSpan {
  from_unix_ms: number;
  to_unix_ms: number;
  statistics: QueryStatistics | null;
}

export interface TimelineResponse {
  spans: TimelineSpan[];
  missing: string;
}

export interface HeatmapSpan {
  from_unix_ms: number;
  to_unix_ms: number;
  /** Calls in each class of latency. */
  counts: number[];
}

export interface HeatmapResponse {
  spans: HeatmapSpan[];
  /** Upper bounds of the classes; where there is one class more than bounds, the last has none. */
  bounds_ms: number[];
  missing?: string;
}

export type AlertState = "unspecified" | "firing" | "resolved" | "pending";

export interface Alert {
  id: string;
  rule: string;
  severity: Severity;
  state: AlertState;
  project: string;
  labels: Record<string, string>;
  summary: string;
  value: number;
  threshold: number;
  since_unix_ms: number;
  resolved_unix_ms: number;
  fingerprint: string;
  runbook: string;
  flapping: boolean;
  silenced_by: string;
  inhibited_by: string;
  acknowledged_by: string;
  acknowledged_note: string;
  acknowledged_unix_ms: number;
  traces: string[];
}

export interface AlertsResponse extends Paged {
  alerts: Alert[];
}

export interface Finding {
  slug: string;
  severity: Severity;
  node: number | null;
  text: string;
  hint: string;
  figures: Record<string, number>;
}

export interface CapturedPlan {
  fingerprint: string;
  database: string;
  first_captured_unix_ms: number;
  captured_unix_ms: number;
  captures: number;
  plan_json: string;
  plan_text: string;
  plan_shape: string;
  findings: Finding[];
  shortened: boolean;
}

export interface PlansResponse extends Paged {
  plans: CapturedPlan[];
}

export interface ServerSession {
  upstream: string;
  pid: number;
  database: string;
  role: string;
  application: string;
  state: string;
  wait_event_type: string;
  wait_event: string;
  transaction_seconds: number;
  state_seconds: number;
  text: string;
  fingerprint: string;
  traceparent: string;
  address: string;
}

export interface ActivityResponse {
  sessions: ServerSession[];
}

export interface ChangesResponse extends Paged {
  changes: QueryChange[];
}

export interface QueryChange {
  id: string;
  fingerprint: string;
  database: string;
  at_unix_ms: number;
  before_ms: number;
  after_ms: number;
  factor: number;
  found_unix_ms: number;
}

// ── cache ──

export type CacheMode = "unspecified" | "auto" | "always" | "never" | "dry_run";

export interface CacheShape {
  fingerprint: string;
  text: string;
  project: string;
  database: string;
  decision: { mode: CacheMode; reason: string; policy_id: string } | null;
  benefit: {
    lookups: number;
    hit_ratio: number;
    miss_us: number;
    hit_us: number;
    overhead_us: number;
    saved_us_per_second: number;
    result_bytes: number;
  } | null;
  entries_memory: number;
  entries_shared: number;
  bytes: number;
}

export interface CacheShapesResponse extends Paged {
  shapes: CacheShape[];
}

// ── maintenance ──

export interface Advice {
  id: string;
  kind: string;
  scope: "unspecified" | "server" | "database" | "table";
  database: string;
  table: string;
  part: string;
  impact: "unspecified" | "danger" | "high" | "medium" | "low";
  confidence: "unspecified" | "measured" | "derived" | "guessed";
  summary: string;
  reason: string;
  setting: string;
  current: string | null;
  proposed: string | null;
  activation: "unspecified" | "immediate" | "reload" | "restart";
  applicable: boolean;
  by_hand: string;
  statement: string;
}

export interface RecommendationsResponse {
  recommendations: Advice[];
  left: { what: string; reason: string }[];
  more: number;
}

/** A job, whoever does it. */
export interface Job {
  id: string;
  project: string;
  operation: string;
  state: JobState;
  requested_unix_ms: number;
  started_unix_ms: number;
  ended_unix_ms: number;
  progress: Progress | null;
  error: string;
  requested_by?: string;
}

// ── live ──

/** What `data:` of an event of the bus holds. */
export interface BusEvent<Data = unknown> {
  id: string;
  kind: string;
  project: string;
  at_unix_ms: number;
  data: Data;
}

export interface GapEvent {
  /** null: it is not known how many. */
  missed: number | null;
}
