// Short names for what the OpenAPI document describes, and the types of a call by its path.
import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];

export type Acknowledgement = Schemas["console.Acknowledgement"];
export type Alert = Schemas["monitor.Alert"];
export type Alerts = Schemas["console.Alerts"];
export type Change = Schemas["maintenance.Change"];
export type Dashboard = Schemas["console.Dashboard"];
export type Figures = Schemas["console.Figures"];
export type Health = Schemas["console.HealthAtAGlance"];
export type HistoryPoint = Schemas["console.DashboardPoint"];
export type PerformanceMetrics = Schemas["console.PerformanceMetrics"];
export type Queries = Schemas["console.Queries"];
export type QueryStatistics = Schemas["monitor.QueryStatistics"];
export type Recommendation = Schemas["console.Recommendation"];
export type Recommendations = Schemas["console.Recommendations"];
export type SecurityOverview = Schemas["console.SecurityOverview"];
export type Violation = Schemas["console.Violation"];
export type Violations = Schemas["console.Violations"];

/** Paths that answer GET with JSON. */
export type GetPath = {
  [Path in keyof paths]: paths[Path] extends {
    get: { responses: { 200: { content: { "application/json": unknown } } } };
  }
    ? Path
    : never;
}[keyof paths];

type Get<Path extends GetPath> = paths[Path]["get"];

/** What GET of the path answers. */
export type Answer<Path extends GetPath> =
  Get<Path> extends { responses: { 200: { content: { "application/json": infer Body } } } } ? Body : never;

/** What may be asked of it; nothing has to be. */
export type QueryOf<Path extends GetPath> =
  Get<Path> extends { parameters: { query?: infer Query } } ? Partial<NonNullable<Query>> : never;

/** What stands in braces in the path. */
export type ParamsOf<Path extends GetPath> =
  Get<Path> extends { parameters: { path: infer Params } } ? Params : undefined;

/** Whether the call is of one project. */
export type IsScoped<Path extends GetPath> = "project" extends keyof QueryOf<Path> ? boolean : false;
