// All that a page about a database needs, with one state for loading, faults and the line.
import { useCallback } from "react";
import { type AlertsState, type RecommendationsState, useAcknowledge, useRecommendations } from "./hooks.js";
import { useConnection, useFigures } from "./live.js";
import type { Problem } from "./problem.js";
import type { Connection } from "./stream.js";
import type {
  Alert,
  Dashboard,
  Figures,
  Health,
  HistoryPoint,
  QueryStatistics,
  Recommendation,
} from "./types.js";
import { useAnswer } from "./useAnswer.js";

export interface DatabaseOptimization {
  health: Health | undefined;
  /** This second; null until the first came. What is null in it is not known. */
  figures: Figures | null;
  /** The last hour in order of time. */
  history: readonly HistoryPoint[];
  /** The shapes of statement that took most time in the last hour. */
  queries: readonly QueryStatistics[];
  /** Alerts that fire, the worst first. */
  alerts: readonly Alert[];
  recommendations: readonly Recommendation[];
  /** Everything else that the overview knows: pools, cache, jobs, backups, and what could not be asked. */
  dashboard: Dashboard | undefined;
  /** Nothing can be shown yet. */
  isLoading: boolean;
  /** Why the last attempt to read failed; what was read before stays. */
  problem: Problem | null;
  /** How the live stream is. */
  connection: Connection;
  acknowledge: AlertsState["acknowledge"];
  apply: RecommendationsState["apply"];
  revert: RecommendationsState["revert"];
  reload: () => void;
}

const NONE: readonly never[] = [];

export function useDatabaseOptimization(): DatabaseOptimization {
  const overview = useAnswer("/database/monitoring/dashboard", {
    scoped: true,
    every: 15,
    on: ["alert", "job", "pool"],
  });
  const advice = useRecommendations();
  const figures = useFigures();
  const connection = useConnection();
  const acknowledge = useAcknowledge();
  const { reload: reloadOverview } = overview;
  const { reload: reloadAdvice } = advice;
  const reload = useCallback(() => {
    reloadOverview();
    reloadAdvice();
  }, [reloadOverview, reloadAdvice]);
  const problem = overview.problem ?? advice.problem;
  return {
    health: overview.data?.health,
    figures,
    history: overview.data?.history ?? NONE,
    queries: overview.data?.queries ?? NONE,
    alerts: overview.data?.alerts ?? NONE,
    recommendations: advice.data?.recommendations ?? NONE,
    dashboard: overview.data,
    isLoading: problem === null && (overview.data === undefined || advice.data === undefined),
    problem,
    connection,
    acknowledge,
    apply: advice.apply,
    revert: advice.revert,
    reload,
  };
}
