// What of the audit is wanted: as the address says it, as the console is asked, and what is left out here. Pure.
import type { AuditEntry } from "./types";

export interface Filter {
  search: string;
  actor: string;
  /** An HTTP method. */
  method: string;
  /** A key of `SPANS`. */
  span: string;
  refused: string;
}

export const METHODS = [
  { value: "", title: "Any call" },
  { value: "POST", title: "Asked for (POST)" },
  { value: "PUT", title: "Set (PUT)" },
  { value: "DELETE", title: "Removed (DELETE)" },
  { value: "GET", title: "Looked at (GET)" },
];

export const SPANS = [
  { value: "", title: "Any time" },
  { value: "1h", title: "Last hour" },
  { value: "1d", title: "Last day" },
  { value: "7d", title: "Last week" },
  { value: "30d", title: "Last 30 days" },
];

const HOUR_MS = 3_600_000;
export const SPANS_MS: Record<string, number> = {
  "1h": HOUR_MS,
  "1d": 24 * HOUR_MS,
  "7d": 7 * 24 * HOUR_MS,
  "30d": 30 * 24 * HOUR_MS,
};

export const isFiltered = (filter: Filter): boolean => Object.values(filter).some((value) => value !== "");

/** The query of the call. The console knows no methods: they are sorted out here. */
export function queryOf(filter: Filter, nowUnixMs: number) {
  const spanMs = SPANS_MS[filter.span];
  return {
    search: filter.search.trim(),
    actor: filter.actor.trim(),
    since: spanMs === undefined ? null : nowUnixMs - spanMs,
    refused: filter.refused === "1" ? true : null,
  };
}

export const matches = (filter: Filter, entry: AuditEntry): boolean =>
  filter.method === "" || entry.action.startsWith(`${filter.method} `);

/** The names of callers known before, and those of these entries; the same list where none is new. */
export function namesIn(known: readonly string[], entries: readonly AuditEntry[]): readonly string[] {
  const fresh = new Set(entries.map((entry) => entry.actor).filter((name) => !known.includes(name)));
  return fresh.size === 0 ? known : [...known, ...fresh];
}
