// What the package gives.
export type { TokenSource } from "./client.js";
export {
  type AlertsState,
  type RecommendationsState,
  useAlerts,
  useMetrics,
  useQueries,
  useRecommendations,
  useSecurityViolations,
} from "./hooks.js";
export { useConnection, useFigures, useLiveEvents } from "./live.js";
export { Problem, type ProblemDocument } from "./problem.js";
export { WeirProvider, type WeirProviderProps } from "./provider.js";
export type { components, paths } from "./schema.js";
export type { Connection, ConnectionPhase, LiveEvent, LiveHandler } from "./stream.js";
export type * from "./types.js";
export { type AnswerOptions, type AnswerState, useAnswer } from "./useAnswer.js";
export { type DatabaseOptimization, useDatabaseOptimization } from "./useDatabaseOptimization.js";
