// The areas of the console, a hook each.
import { useCallback } from "react";
import type {
  Alert,
  Alerts,
  Change,
  PerformanceMetrics,
  Queries,
  QueryOf,
  Recommendations,
  Violations,
} from "./types.js";
import { type AnswerState, useAnswer } from "./useAnswer.js";
import { useChange } from "./useChange.js";

const ALERTS = "/database/monitoring/alerts";
const ADVICE = "/database/monitoring/recommendations";
const QUERIES = "/database/monitoring/queries";
const VIOLATIONS = "/database/security/violations";

/** How statements fared in the last minute and hour, span by span, and where it is going. */
export const useMetrics = (): AnswerState<PerformanceMetrics> =>
  useAnswer("/database/metrics", { scoped: true, every: 10 });

/** Statements by shape; the console's order is that of the most time spent. */
export const useQueries = (query: QueryOf<typeof QUERIES> = {}): AnswerState<Queries> =>
  useAnswer(QUERIES, { query, scoped: true, every: 10 });

/** Rules that were broken at the gateways, the latest first. */
export const useSecurityViolations = (query: QueryOf<typeof VIOLATIONS> = {}): AnswerState<Violations> =>
  useAnswer(VIOLATIONS, { query, scoped: true, every: 10, on: ["security.violation"] });

export interface AlertsState extends AnswerState<Alerts> {
  /** Says that the caller looks after an alert. */
  acknowledge: (id: string, note?: string) => Promise<Alert>;
}

export function useAlerts(query: QueryOf<typeof ALERTS> = {}): AlertsState {
  const answer = useAnswer(ALERTS, { query, scoped: true, every: 30, on: ["alert"] });
  return { ...answer, acknowledge: useAcknowledge() };
}

export interface RecommendationsState extends AnswerState<Recommendations> {
  /** Carries a piece of advice out. */
  apply: (id: string) => Promise<Change>;
  /** Takes a change back, by its id or that of its advice. */
  revert: (id: string) => Promise<Change>;
}

export function useRecommendations(query: QueryOf<typeof ADVICE> = {}): RecommendationsState {
  const answer = useAnswer(ADVICE, { query, scoped: true, every: 60, on: ["job.succeeded"] });
  return { ...answer, apply: useAdviceChange("apply"), revert: useAdviceChange("revert") };
}

export function useAcknowledge(): AlertsState["acknowledge"] {
  const send = useChange<Alert>(`${ALERTS}/{id}/acknowledge`, ALERTS);
  return useCallback((id, note = "") => send({ id }, { note }), [send]);
}

function useAdviceChange(verb: "apply" | "revert"): (id: string) => Promise<Change> {
  const send = useChange<Change>(`${ADVICE}/{id}/${verb}`, ADVICE);
  return useCallback((id) => send({ id }, undefined), [send]);
}
