// What the console says of backups: the catalogue, the log, proofs, and what a restore would do.
import type { Paged } from "@/api/types";
import type { Work } from "../parts";

export interface LogPosition {
  timeline: number;
  lsn: number;
}

export type BackupKind = "unspecified" | "full" | "incremental" | "differential" | "project";
export type BackupState = "unspecified" | "unproven" | "proven" | "failed" | "expired" | "shredded";
export type ProofState = "unspecified" | "running" | "proven" | "failed" | "inconclusive";

export interface Proof {
  id: string;
  backup_id: string;
  state: ProofState;
  depth: "unspecified" | "changed" | "full";
  started_unix_ms: number;
  ended_unix_ms: number;
  recovery_ms: number;
  reason: string;
  repository: string;
  recovered_to: LogPosition | null;
}

export interface Backup {
  id: string;
  cluster: string;
  project: string;
  kind: BackupKind;
  state: BackupState;
  started_unix_ms: number;
  ended_unix_ms: number;
  based_on_id: string;
  source_bytes: number;
  stored_bytes: number;
  stored_objects: number;
  repositories: string[];
  server_version: number;
  compression: string;
  encryption: { scheme: string; key_id: string } | null;
  proof: Proof | null;
  note: string;
  keep: boolean;
  expires_unix_ms: number;
  corrupt_pages: number;
}

export interface BackupsResponse extends Paged {
  backups: Backup[];
}

export interface BackupResponse {
  backup: Backup | null;
  proofs: Proof[];
  tables: { database: string; table: string; rows: number | null; bytes: number }[];
}

export interface ProofsResponse extends Paged {
  proofs: Proof[];
}

export interface Check {
  name: string;
  passed: boolean;
  examined: number;
  duration_ms: number;
  findings: string[];
  notes: string[];
}

export interface ProofResponse {
  summary: Proof | null;
  checks: Check[];
}

export interface RecoveryWindow {
  from_unix_ms: number;
  to_unix_ms: number;
  backup_ids: string[];
}

export interface Repository {
  name: string;
  url: string;
  reachable: boolean;
  trouble: string;
  stored_bytes: number;
  stored_objects: number;
  backups: number;
  garbage_bytes: number;
  object_lock: boolean;
}

export interface WalState {
  cluster: string;
  way: "unspecified" | "streaming" | "archive" | "catch_up" | "off";
  reason: string;
  server: LogPosition | null;
  received: LogPosition | null;
  durable: LogPosition | null;
  lag_bytes: number;
  exposure_ms: number;
  exposure_p99_ms: number;
  slot: string;
  slot_retained_bytes: number;
  slot_guard_bytes: number;
}

export interface StatusResponse {
  enabled: boolean;
  repositories: Repository[];
  last_backups: Backup[];
  last_proofs: Proof[];
  wal: WalState[];
  exposure_ms: number | null;
  windows: RecoveryWindow[];
  running: Work[];
  missing: string[];
}

export interface TableChange {
  table: string;
  inserted: number;
  updated: number;
  deleted: number;
  replaced: boolean;
}

export interface Commit {
  xid: number;
  position: LogPosition | null;
  committed_unix_ms: number;
  database: string;
  changes: TableChange[];
}

export interface CommitsResponse extends Paged {
  commits: Commit[];
}

export interface RestorePlan {
  plan: {
    backup: Backup | null;
    wal_from: LogPosition | null;
    wal_to: LogPosition | null;
    last_commit: Commit | null;
    first_missing: Commit[];
    read_bytes: number;
    write_bytes: number;
    kept_bytes: number;
    duration_ms_estimate: number;
    obstacles: { slug: string; detail: string; can_be_forced: boolean }[];
  };
  refuses: boolean;
  command: string;
}
