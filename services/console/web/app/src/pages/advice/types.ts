// Changes that were made on advice, and where this page asks.
import type { Told } from "@/api";

export const ADVICE = "/database/monitoring/recommendations";
export const CHANGES = "/database/monitoring/recommendations/changes";
export const TIMELINE = "/database/monitoring/timeline";

/** Advice is looked at anew before it is acted upon. */
export const CHANGE_TIMEOUT_MS = 60_000;

export type ChangeState = Told<"maintenance.ChangeState">;
export type Change = Told<"maintenance.Change">;
export type ChangesResponse = Told<"console.AdviceChanges">;
export type Standing = Told<"console.RecommendationState">;
/** A piece of advice, and what was done upon it. */
export type Recommendation = Told<"console.Recommendation">;
export type RecommendationsResponse = Told<"console.Recommendations">;
