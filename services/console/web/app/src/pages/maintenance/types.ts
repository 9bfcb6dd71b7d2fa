// What the console says of maintenance: plans, pieces of work, windows, wraparound.
import type { Paged } from "@/api/types";
import type { Work } from "../parts";

export interface Expectation {
  reclaim_low_bytes: number;
  reclaim_likely_bytes: number;
  reclaim_high_bytes: number;
  saved_reads_per_day_bytes: number;
  cost_bytes: number;
  takes_ms: number;
  score: number;
}

export interface TableFacts {
  live_tuples: number;
  dead_tuples: number;
  changed_tuples: number;
  changed_percent: number;
  last_analyze_unix_ms: number;
  database: string;
  size_bytes: number;
}

export interface Candidate {
  table: string;
  action: string;
  reason: string;
  facts: TableFacts | null;
  selected: boolean;
  kind: string;
  index: string;
  database: string;
  expected: Expectation | null;
  emergency: boolean;
}

export interface PlanResponse {
  operation: string;
  project: string;
  plan: Candidate[];
}

export interface Piece {
  id: string;
  job_id: string;
  kind: string;
  database: string;
  table: string;
  index: string;
  outcome: string;
  reason: string;
  started_unix_ms: number;
  ended_unix_ms: number;
  expected: Expectation | null;
  bytes_before: number | null;
  bytes_after: number | null;
  p95_before_ms: number | null;
  p95_during_ms: number | null;
}

export interface PiecesResponse extends Paged {
  pieces: Piece[];
}

export interface Calibration {
  kind: string;
  pieces: number;
  within: number;
  expected_bytes: number;
  reclaimed_bytes: number;
  time_ratio: number;
}

export interface CalibrationResponse {
  kinds: Calibration[];
}

export type Weekday =
  | "unspecified"
  | "monday"
  | "tuesday"
  | "wednesday"
  | "thursday"
  | "friday"
  | "saturday"
  | "sunday";

export interface MaintenanceWindow {
  project: string;
  name: string;
  /** None: every day. */
  weekdays: Weekday[];
  start: string;
  end: string;
  time_zone: string;
  disabled: boolean;
  source: "unspecified" | "default" | "file" | "operator" | "learned";
  in_force: boolean;
}

export interface WindowsResponse {
  windows: MaintenanceWindow[];
  is_open: boolean;
  open_until_unix_ms: number;
  next_open_unix_ms: number;
  now_unix_ms: number;
}

export interface WraparoundGlance {
  database: string;
  limit: string | null;
  eta_seconds: number | null;
  age: number;
  cannot_advance: boolean;
}

export interface StatusResponse {
  running: Work[];
  last: Work[];
  windows: WindowsResponse | null;
  wraparound: WraparoundGlance[];
}

export interface WraparoundIds {
  next: number;
  age: number;
  server_age: number;
  per_second: number | null;
  basis: string;
  limits: { limit: string; age: number; eta_seconds: number | null }[];
}

export interface WraparoundTable {
  table: string;
  ids: string;
  is_toast: boolean;
  age: number;
  limit: number;
  eta_seconds: number | null;
  size_bytes: number;
  has_autovacuum: boolean;
  selected: boolean;
  urgency: string;
  reason: string;
  cost_bytes: number;
}

export interface WraparoundDatabase {
  database: string;
  taken_unix_ms: number;
  away: string;
  transactions: WraparoundIds | null;
  multixacts: WraparoundIds | null;
  horizon_age: number;
  cannot_advance: boolean;
  stands_seconds: number;
  multixact_members: number | null;
  tables: WraparoundTable[];
}

export interface WraparoundResponse {
  databases: WraparoundDatabase[];
}
