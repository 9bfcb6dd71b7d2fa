// The answers of the console, under the names that pages use. Their shapes are those of its document (`schema.ts`): names
// are snake_case, units last; an optional field that is not set is null; enum values are lower-case words.
import type { Told } from "./schema";

export type { Told } from "./schema";

// ── common ──

export type StatementKind = Told<"common.StatementKind">;
export type Severity = Told<"common.Severity">;
export type JobState = Told<"common.JobState">;
export type Progress = Told<"common.Progress">;
export type Pool = Told<"common.Pool">;
export type Session = Told<"console.Session">;

/** What every list says besides its entries. */
export interface Paged {
  next: string | null;
}

// ── overview ──

export type HealthState = Told<"console.Light">;
export type HealthPart = Told<"console.PartAtAGlance">;
export type Health = Told<"console.HealthAtAGlance">;
/** This second. What is null is not known: nothing ran, a service is away, or it is for the operator only. */
export type Figures = Told<"console.Figures">;
export type PoolSums = Told<"console.PoolSums">;
type Rates = Pick<Figures, "queries_per_second" | "errors_per_second">;
/** A point of the last hour: of the answer, or of a second that was told live. */
export type HistoryPoint = Omit<Told<"console.DashboardPoint">, keyof Rates> & Rates;
export type DashboardPool = Told<"console.PoolNow">;
export type DashboardCache = Told<"console.CacheAtAGlance">;
export type DashboardBackups = Told<"console.BackupsAtAGlance">;
export type DashboardResponse = Told<"console.Dashboard">;
/** A job as the scheduler has it. */
export type Job = Told<"scheduler.Run">;

// ── monitor ──

export type QueryStatistics = Told<"monitor.QueryStatistics">;
export type QueriesResponse = Told<"console.Queries">;
/** One shape, on each database where it ran. */
export type QueryResponse = Told<"console.Query">;
export type TimelineSpan = Told<"monitor.TimelineSpan">;
export type TimelineResponse = Told<"monitor.GetTimelineResponse">;
export type HeatmapSpan = Told<"monitor.HeatmapSpan">;
export type HeatmapResponse = Told<"monitor.GetHeatmapResponse">;
export type AlertState = Told<"monitor.AlertState">;
export type Alert = Told<"monitor.Alert">;
export type AlertsResponse = Told<"console.Alerts">;
export type Finding = Told<"monitor.Finding">;
export type CapturedPlan = Told<"monitor.CapturedPlan">;
export type PlansResponse = Told<"console.Plans">;
export type ServerSession = Told<"monitor.ServerSession">;
export type ActivityResponse = Told<"monitor.ListActivityResponse">;
export type QueryChange = Told<"monitor.QueryChange">;
export type ChangesResponse = Told<"console.QueryChanges">;

// ── cache ──

export type CacheMode = Told<"cache.CacheMode">;
export type CacheShape = Told<"cache.Shape">;
export type CacheShapesResponse = Told<"console.CacheShapes">;

// ── maintenance ──

export type Advice = Told<"maintenance.Advice">;
export type RecommendationsResponse = Told<"console.Recommendations">;

// ── live ──

/** What `data:` of an event of the bus holds. */
export interface BusEvent<Data = unknown> {
  id: string;
  kind: string;
  project: string;
  at_unix_ms: number;
  data: Data;
}

export interface GapEvent {
  /** null: it is not known how many. */
  missed: number | null;
}
