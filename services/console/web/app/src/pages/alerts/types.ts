// What this page is told besides alerts: rules, silences, channels (proto/weir/monitor/v1), and where it asks.
import type { Severity } from "@/api";

export const ALERTS = "/database/monitoring/alerts";
export const RULES = "/database/monitoring/rules";
export const SILENCES = "/database/monitoring/silences";
export const CHANNELS = "/database/monitoring/channels";

export interface AlertRule {
  name: string;
  /** Only for this project. Empty: for all. */
  project: string;
  enabled: boolean | null;
  metric: string | null;
  labels: Record<string, string>;
  direction: "unspecified" | "above" | "below";
  info: number | null;
  info_clear: number | null;
  warning: number | null;
  warning_clear: number | null;
  critical: number | null;
  critical_clear: number | null;
  severity: Severity;
  for_ms: number | null;
  keep_firing_for_ms: number | null;
  summary: string | null;
  runbook: string | null;
  inhibits: string[];
  window_ms: number | null;
  /** `built-in`, `file` or `grpc`. */
  origin: string;
}

export interface RulesResponse {
  rules: AlertRule[];
}

export interface Silence {
  id: string;
  matchers: Record<string, string>;
  starts_unix_ms: number;
  ends_unix_ms: number;
  author: string;
  comment: string;
}

export interface SilencesResponse {
  silences: Silence[];
}

export interface AlertChannel {
  name: string;
  kind: string;
  place: string;
  severities: string[];
  projects: string[];
  rules: string[];
  send_resolved: boolean;
  pending: number;
  retries: number;
  last_success_unix_ms: number;
  last_error_unix_ms: number;
  last_error: string;
}

export interface ChannelsResponse {
  channels: AlertChannel[];
}

export interface ChannelTest {
  accepted: boolean;
  status: number;
  answer: string;
  took_ms: number;
}

/** What the event `alert.firing` tells. */
export interface AlertFiring {
  id: string;
  rule: string;
  severity: Severity;
  project: string;
  labels: Record<string, string>;
  summary: string;
  value: number;
  threshold: number;
  since_unix_ms: number;
  fingerprint: string;
  runbook: string;
  traceparent: string;
}

/** What the event `alert.resolved` tells. */
export interface AlertResolved {
  id: string;
}
