// The one door to the console.
export { api, type CallOptions, pathWith } from "./client";
export { type LiveEvent, type LivePhase, type LiveState, useFigures, useLive, useLiveState } from "./live";
export { asProblem, Problem } from "./problem";
export { refresh } from "./resource";
export { useProject, useSession } from "./session";
export type * from "./types";
export { useAction } from "./useAction";
export { type ApiOptions, type ApiState, useApi } from "./useApi";
export { type Pages, usePages } from "./usePages";
