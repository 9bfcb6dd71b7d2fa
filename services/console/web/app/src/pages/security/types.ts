// The audit and the tokens as the console tells them.
import type { Paged } from "@/api";

export const AUDIT = "/database/security/audit";
export const TOKENS = "/database/tokens";

export interface AuditEntry {
  id: number;
  at_unix_ms: number;
  /** The name of the token. */
  actor: string;
  token: string | null;
  /** null: the operator. */
  project: string | null;
  /** The method and the pattern of the path. */
  action: string;
  /** The path as it was. */
  target: string;
  remote: string;
  /** What was answered; null: the process ended before it answered. */
  status: number | null;
}

export interface AuditResponse extends Paged {
  entries: AuditEntry[];
}

export type Role = "viewer" | "operator";

export interface Token {
  id: string;
  name: string;
  /** null: everything. */
  project: string | null;
  role: Role;
  created_unix_ms: number;
  created_by: string;
  expires_unix_ms: number | null;
  revoked_unix_ms: number | null;
  last_used_unix_ms: number | null;
}

export interface TokensResponse {
  tokens: Token[];
}

export interface MadeToken {
  secret: string;
  token: Token;
}

export const VIOLATIONS = "/database/security/violations";
export const OVERVIEW = "/database/security/overview";
export const FIREWALL = "/database/security/firewall";
export const SHAPES = "/database/security/firewall/shapes";

export type ViolationAction = "unspecified" | "reported" | "blocked";

/** What the live stream and the list have in common. */
export interface SecurityViolation {
  project: string;
  rule: string;
  action: ViolationAction;
  severity: string;
  database: string;
  user: string;
  application: string;
  client: string;
  summary: string;
  /** Empty: it was not about a statement. */
  fingerprint: string;
  at_unix_ms: number;
  /** 0 is taken for 1. */
  count: number;
  score: number;
  rules: string[];
}

export interface Violation extends SecurityViolation {
  event_id: string;
}

export interface ViolationsResponse extends Paged {
  violations: Violation[];
}

export interface ViolationsOfRule {
  rule: string;
  action: ViolationAction;
  count: number;
  last_unix_ms: number;
}

export interface ViolationsOfClient {
  client: string;
  count: number;
  blocked: number;
  rules: string[];
  last_unix_ms: number;
}

export interface FirewallAtAGlance {
  off: number;
  learn: number;
  monitor: number;
  enforce: number;
  relaxed: number;
  learned: number;
  approved: number;
  queued: number;
  statements: number;
  blocked: number;
  would_block: number;
  kept: boolean;
  since_unix_ms: number;
}

export interface SecurityOverview {
  since_unix_ms: number;
  blocked: number;
  reported: number;
  rules: ViolationsOfRule[];
  clients: ViolationsOfClient[];
  /** null: the gateway does not answer. */
  firewall: FirewallAtAGlance | null;
  missing: string[];
}

export type FirewallMode = "unspecified" | "off" | "learn" | "monitor" | "enforce";
export type ShapeState = "unspecified" | "queued" | "learned" | "approved";

/** Whose statements; an empty part means all. */
export interface FirewallScope {
  project: string;
  database: string;
  user: string;
}

export interface FirewallScopeStatus {
  scope: FirewallScope | null;
  mode: FirewallMode;
  /** The mode that holds. */
  effective_mode: FirewallMode;
  /** `settings` or `operator`. */
  mode_from: string;
  /** Why another mode holds than is set; empty: the same holds. */
  reason: string;
  threshold: number;
  strictness: string;
  forbidden: boolean;
  learned: number;
  approved: number;
  queued: number;
  overflowed: number;
  statements: number;
  reported: number;
  blocked: number;
  would_block: number;
  reported_last_hour: number;
  blocked_last_hour: number;
  last_violation_unix_ms: number;
  relaxed_unix_ms: number;
}

export interface FirewallModeSet {
  scope: FirewallScope | null;
  mode: FirewallMode;
  by: string;
  at_unix_ms: number;
}

export interface FirewallResponse extends Paged {
  scopes: FirewallScopeStatus[];
  modes: FirewallModeSet[];
  /** Whether shapes are in the store at present. */
  kept: boolean;
  reason: string;
  since_unix_ms: number;
}

export interface FirewallShape {
  scope: FirewallScope | null;
  id: string;
  fingerprint: string;
  state: ShapeState;
  text: string;
  score: number;
  rules: string[];
  count: number;
  first_seen_unix_ms: number;
  last_seen_unix_ms: number;
  approved_by: string;
  approved_unix_ms: number;
  approved_score: number;
}

export interface FirewallShapesResponse extends Paged {
  shapes: FirewallShape[];
}
