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

export interface SecurityViolation {
  project: string;
  rule: string;
  action: "unspecified" | "reported" | "blocked";
  severity: string;
  database: string;
  user: string;
  application: string;
  client: string;
  summary: string;
  fingerprint: string;
  at_unix_ms: number;
}
