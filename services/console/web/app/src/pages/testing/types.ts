// Reports of the built-in verification and benchmark.
import type { Told } from "@/api";

export const RUN = "/database/testing/run-comprehensive";
export const QUICK = "/database/testing/quick-benchmark";
export const REPORTS = "/database/testing/reports";

export type Verdict = Told<"console.ReportVerdict">;
export type ReportSummary = Told<"console.ReportSummary">;
export type ReportsResponse = Told<"console.Reports">;
export type Setup = Told<"console.ReportSetup">;
export type Step = Told<"console.ReportStep">;
export type ModeSpan = Told<"console.ReportSpan">;
export type Mode = Told<"console.ReportMode">;
export type Check = Told<"console.ReportCheck">;
export type Report = Told<"console.Report">;
