// Changes that were made on advice (proto/weir/maintenance/v1), and where this page asks.
import type { Advice, Paged } from "@/api";

export const ADVICE = "/database/monitoring/recommendations";
export const CHANGES = "/database/monitoring/recommendations/changes";
export const TIMELINE = "/database/monitoring/timeline";

/** Advice is looked at anew before it is acted upon. */
export const CHANGE_TIMEOUT_MS = 60_000;

export type ChangeState =
  | "unspecified"
  | "applying"
  | "applied"
  | "pending_restart"
  | "reverting"
  | "reverted"
  | "superseded"
  | "failed";

export interface Change {
  id: string;
  project: string;
  advice_id: string;
  kind: string;
  database: string;
  table: string;
  setting: string;
  old_value: string | null;
  new_value: string | null;
  was_in_force: string;
  state: ChangeState;
  note: string;
  by: string;
  reason: string;
  begun_unix_ms: number;
  ended_unix_ms: number;
}

export interface ChangesResponse extends Paged {
  changes: Change[];
}

export type Standing = "open" | "applying" | "applied" | "pending_restart" | "reverting";

/** A piece of advice, and what was done upon it. */
export interface Recommendation extends Advice {
  state: Standing;
  /** The last change that was made on it. */
  change: Change | null;
}

export interface RecommendationsResponse {
  recommendations: Recommendation[];
  left: { what: string; reason: string }[];
  /** How many more there are than are listed. */
  more: number;
}
