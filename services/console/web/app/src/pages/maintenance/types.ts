// What the console says of maintenance: plans, pieces of work, windows, wraparound.
import type { Told } from "@/api/types";

export type Expectation = Told<"maintenance.Expectation">;
export type TableFacts = Told<"maintenance.TableFacts">;
export type Candidate = Told<"maintenance.Candidate">;
export type PlanResponse = Told<"console.MaintenancePlan">;
export type Piece = Told<"maintenance.Piece">;
export type PiecesResponse = Told<"console.Pieces">;
export type Calibration = Told<"maintenance.Calibration">;
export type CalibrationResponse = Told<"maintenance.GetCalibrationResponse">;
export type Weekday = Told<"scheduler.Weekday">;
export type MaintenanceWindow = Told<"scheduler.Window">;
export type WindowsResponse = Told<"scheduler.ListWindowsResponse">;
export type WraparoundGlance = Told<"console.WraparoundGlance">;
export type StatusResponse = Told<"console.MaintenanceStatus">;
export type WraparoundIds = Told<"maintenance.WraparoundIds">;
export type WraparoundTable = Told<"maintenance.WraparoundTable">;
export type WraparoundDatabase = Told<"maintenance.WraparoundDatabase">;
export type WraparoundResponse = Told<"maintenance.GetWraparoundResponse">;
