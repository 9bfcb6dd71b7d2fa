// What the console says of the result cache: statistics, rules, followers, explanations.
import type { CacheMode, CacheShape, Paged } from "@/api/types";

export type Consistency = "unspecified" | "strict" | "session" | "bounded" | "ttl";

export interface CacheStatistics {
  lookups_total: number;
  hits_memory_total: number;
  hits_shared_total: number;
  misses_total: Record<string, number>;
  bypasses_total: Record<string, number>;
  fills_total: number;
  fills_refused_total: Record<string, number>;
  evictions_total: number;
  invalidations_total: number;
  entries_memory: number;
  entries_shared: number;
  bytes_memory: number;
  bytes_shared: number;
  saved_us_total: number;
  would_have_saved_us_total: number;
  bypass_ms_total: number;
}

export interface CacheResponse {
  total: CacheStatistics | null;
  projects: { project: string; statistics: CacheStatistics | null }[];
}

export type PolicySubject =
  | { fingerprint: string }
  | { relation: string }
  | { whole_project: Record<string, never> };

export interface Policy {
  id: string;
  project: string;
  subject: PolicySubject | null;
  mode: CacheMode;
  consistency: Consistency;
  bound_ms: number;
  ttl_ms: number;
  stale_while_revalidate_ms: number;
  result_bytes_max: number;
  negative_ttl_ms: number;
  memory_bytes_max: number;
  shared_bytes_max: number;
  note: string;
  origin: "unspecified" | "file" | "call";
}

export interface PoliciesResponse extends Paged {
  policies: Policy[];
}

export type FollowerState = "unspecified" | "standby" | "starting" | "following" | "lagging" | "blocked";

export interface Follower {
  upstream: string;
  database: string;
  state: FollowerState;
  hindrance: string;
  leader: string;
  epoch: string;
  sequence: number;
  applied_lsn: number;
  visible_lsn: number;
  kill_lsn: number;
  lag_p50_ms: number;
  lag_p99_ms: number;
  slot: string;
  retained_wal_bytes: number;
  ddl_watch: "unspecified" | "event_triggers" | "catalogue";
  unfollowed: { relation: string; reason: string; advice: string }[];
}

export interface FollowersResponse {
  followers: Follower[];
}

export interface Tag {
  relation: string;
  columns: string[];
  values: unknown[];
  imprecise_reason: string;
}

export interface Explanation {
  fingerprint: string;
  cacheable: boolean;
  refusals: { rule: string; detail: string }[];
  tags: Tag[];
  consistency: Consistency;
  decision: CacheShape["decision"];
  benefit: CacheShape["benefit"];
}
