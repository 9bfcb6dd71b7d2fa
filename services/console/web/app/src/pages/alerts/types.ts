// What this page is told besides alerts: rules, silences, channels, and where it asks.
import type { Severity, Told } from "@/api";

export const ALERTS = "/database/monitoring/alerts";
export const RULES = "/database/monitoring/rules";
export const SILENCES = "/database/monitoring/silences";
export const CHANNELS = "/database/monitoring/channels";

export type AlertRule = Told<"monitor.AlertRule">;
export type RulesResponse = Told<"monitor.ListRulesResponse">;
export type Silence = Told<"monitor.Silence">;
export type SilencesResponse = Told<"monitor.ListSilencesResponse">;
export type AlertChannel = Told<"monitor.AlertChannel">;
export type ChannelsResponse = Told<"monitor.ListChannelsResponse">;
export type ChannelTest = Told<"monitor.TestChannelResponse">;

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
