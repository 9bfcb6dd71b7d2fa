// Answers as the console gives them, typed by its document.
import type { Alert, Dashboard, Figures, Recommendation } from "../src/index.js";

export const alert: Alert = {
  id: "6f1c0b5e-0000-4000-8000-000000000001",
  rule: "slow-query",
  severity: "warning",
  state: "firing",
  project: "shop",
  labels: { database: "shop" },
  summary: "Slow.",
  value: 120,
  threshold: 100,
  since_unix_ms: 1,
  resolved_unix_ms: 0,
  fingerprint: "",
  runbook: "",
  flapping: false,
  silenced_by: "",
  inhibited_by: "",
  acknowledged_by: "",
  acknowledged_note: "",
  acknowledged_unix_ms: 0,
  traces: [],
};

export const recommendation: Recommendation = {
  id: "shared-buffers",
  kind: "shared-buffers",
  scope: "server",
  database: "",
  table: "",
  part: "",
  impact: "high",
  confidence: "derived",
  summary: "Give it more memory.",
  reason: "It has little.",
  setting: "shared_buffers",
  current: "128MB",
  proposed: "1GB",
  activation: "restart",
  applicable: true,
  by_hand: "",
  statement: "",
  state: "open",
  change: null,
};

export const dashboard: Dashboard = {
  at_unix_ms: 1,
  project: "shop",
  health: { state: "ok", since_unix_ms: 1, summary: "All is well.", parts: [] },
  figures: null,
  history: [],
  pools: [],
  cache: null,
  alerts: [alert],
  alerts_firing: 1,
  jobs: [],
  queries: [],
  backups: null,
  missing: [],
};

export const figures = (queriesPerSecond: number): Figures => ({
  at_unix_ms: 1,
  project: "shop",
  queries_per_second: queriesPerSecond,
});
