// What the pages of security are told: tokens, the audit, broken rules and the firewall; and where they ask.
import type { Told } from "@/api";

export const AUDIT = "/database/security/audit";
export const TOKENS = "/database/tokens";
export const VIOLATIONS = "/database/security/violations";
export const OVERVIEW = "/database/security/overview";
export const FIREWALL = "/database/security/firewall";
export const SHAPES = "/database/security/firewall/shapes";

export type AuditEntry = Told<"console.AuditEntry">;
export type AuditResponse = Told<"console.Audit">;
export type Role = Told<"Role">;
export type Token = Told<"console.Token">;
export type TokensResponse = Told<"console.Tokens">;
export type MadeToken = Told<"console.MadeToken">;

/** A broken rule. Its number is left out: what was just told has none yet. */
export type Violation = Omit<Told<"console.Violation">, "id">;
export type ViolationsResponse = Told<"console.Violations">;
export type ViolationsOfRule = Told<"console.ViolationsOfRule">;
export type ViolationsOfClient = Told<"console.ViolationsOfClient">;

/** What `data:` of the event `security.violation` holds. */
export type SecurityViolation = Omit<Violation, "event_id">;

export type SecurityOverview = Told<"console.SecurityOverview">;
export type FirewallAtAGlance = Told<"console.FirewallAtAGlance">;
export type FirewallMode = Told<"gateway.FirewallMode">;
export type FirewallScope = Told<"gateway.FirewallScope">;
export type FirewallScopeStatus = Told<"gateway.FirewallScopeStatus">;
export type FirewallModeSet = Told<"gateway.FirewallModeSet">;
export type FirewallResponse = Told<"console.Firewall">;
export type FirewallShape = Told<"gateway.FirewallShape">;
export type FirewallShapesResponse = Told<"console.FirewallShapes">;
