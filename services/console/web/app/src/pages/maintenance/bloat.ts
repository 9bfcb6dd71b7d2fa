// From a plan to a map of bloat: each table with its size and how much of it is waste. Pure.
import { bytes, ratio } from "@/format";
import type { Candidate } from "./types";

export interface BloatTable {
  key: string;
  database: string;
  table: string;
  sizeBytes: number;
  /** Most probably waste. null: not known. */
  wasteBytes: number | null;
  /** Where the waste is known from: measured pages, or only the share of dead rows. */
  basis: "measured" | "dead rows" | null;
  /** Waste in its indexes, as far as it was looked at. */
  indexWasteBytes: number;
  /** What the plan says of it, kind by kind. */
  verdicts: Candidate[];
}

/** Every table of a plan, the largest first. */
export function bloatOf(plan: readonly Candidate[]): BloatTable[] {
  const groups = new Map<string, Candidate[]>();
  // What is swept are leftovers of a database, not a table.
  for (const candidate of plan.filter((one) => one.kind !== "sweep")) {
    const key = `${candidate.database}/${candidate.table}`;
    groups.set(key, [...(groups.get(key) ?? []), candidate]);
  }
  return [...groups]
    .map(([key, verdicts]) => tableOf(key, verdicts))
    .sort((a, b) => b.sizeBytes - a.sizeBytes);
}

function tableOf(key: string, verdicts: Candidate[]): BloatTable {
  const own = verdicts.filter((one) => one.index === "");
  const sizeBytes = Math.max(0, ...own.map((one) => one.facts?.size_bytes ?? 0));
  const indexWaste = verdicts
    .filter((one) => one.index !== "" && one.kind === "reindex")
    .reduce((sum, one) => sum + (one.expected?.reclaim_likely_bytes ?? 0), 0);
  return {
    key,
    database: verdicts[0]?.database ?? "",
    table: verdicts[0]?.table ?? "",
    sizeBytes,
    indexWasteBytes: indexWaste,
    verdicts,
    ...wasteOf(own, sizeBytes),
  };
}

function wasteOf(own: readonly Candidate[], sizeBytes: number): Pick<BloatTable, "wasteBytes" | "basis"> {
  const measured = own.find(
    (one) => one.kind === "reorganize" && (one.expected?.reclaim_high_bytes ?? 0) > 0,
  );
  if (measured?.expected) return { wasteBytes: measured.expected.reclaim_likely_bytes, basis: "measured" };
  const facts = own.find((one) => one.facts)?.facts;
  const rows = facts ? facts.live_tuples + facts.dead_tuples : 0;
  if (!facts || rows === 0) return { wasteBytes: null, basis: null };
  return { wasteBytes: Math.round((sizeBytes * facts.dead_tuples) / rows), basis: "dead rows" };
}

export const wasteRatio = (table: BloatTable): number | null =>
  table.wasteBytes === null || table.sizeBytes === 0 ? null : Math.min(1, table.wasteBytes / table.sizeBytes);

export type BloatClass = "unknown" | "little" | "some" | "much" | "most";

/** In which class of colour a share of waste falls. */
export function classOf(share: number | null): BloatClass {
  if (share === null) return "unknown";
  if (share < 0.1) return "little";
  if (share < 0.2) return "some";
  return share < 0.3 ? "much" : "most";
}

export function wasteWords(table: BloatTable): string {
  if (table.wasteBytes === null) return "waste not known";
  const share = ratio(wasteRatio(table));
  return `${bytes(table.wasteBytes)} waste (${share}${table.basis === "dead rows" ? ", by dead rows" : ""})`;
}
