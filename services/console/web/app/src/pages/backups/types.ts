// What the console says of backups: the catalogue, the log, proofs, and what a restore would do.
import type { Told } from "@/api/types";

export type LogPosition = Told<"backup.LogPosition">;
export type BackupKind = Told<"backup.BackupKind">;
export type BackupState = Told<"backup.BackupState">;
export type ProofState = Told<"backup.ProofState">;
export type Proof = Told<"backup.ProofSummary">;
export type Backup = Told<"backup.Backup">;
export type BackupsResponse = Told<"console.Backups">;
export type BackupResponse = Told<"backup.GetBackupResponse">;
export type ProofsResponse = Told<"console.Proofs">;
export type Check = Told<"backup.Check">;
export type ProofResponse = Told<"backup.GetProofResponse">;
export type RecoveryWindow = Told<"backup.RecoveryWindow">;
export type Repository = Told<"backup.Repository">;
export type WalState = Told<"backup.WalState">;
export type StatusResponse = Told<"console.BackupStatus">;
export type TableChange = Told<"backup.TableChange">;
export type Commit = Told<"backup.Commit">;
export type CommitsResponse = Told<"console.Commits">;
export type RestorePlan = Told<"console.RestorePlan">;
