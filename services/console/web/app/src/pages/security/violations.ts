// Which violations are wanted: as the address says it, as the console is asked, and which live ones fit. Pure.
import type { SecurityViolation, Violation } from "./types";

export interface Filter {
  search: string;
  rule: string;
  action: string;
  /** A key of `SPANS`. */
  span: string;
  user: string;
  database: string;
  client: string;
}

export const ACTIONS = [
  { value: "", title: "Blocked or let through" },
  { value: "blocked", title: "Blocked" },
  { value: "reported", title: "Let through" },
];

export const isFiltered = (filter: Filter): boolean => Object.values(filter).some((value) => value !== "");

/** The query of the call. */
export const queryOf = (filter: Filter, project: string, sinceUnixMs: number | null) => ({
  project,
  search: filter.search.trim(),
  rule: filter.rule,
  action: filter.action,
  user: filter.user,
  database: filter.database,
  client: filter.client,
  since: sinceUnixMs,
});

/** Whether the console would list it. What happens now is within every span. */
export function fits(filter: Filter, project: string, one: SecurityViolation): boolean {
  const { rule, summary, user, database, application, client } = one;
  const search = filter.search.trim().toLowerCase();
  const text = [rule, summary, user, database, application, client].join(" ").toLowerCase();
  const same = (wanted: string, is: string) => wanted === "" || wanted === is;
  return (
    one.project === project &&
    text.includes(search) &&
    same(filter.rule, rule) &&
    same(filter.action, one.action) &&
    same(filter.user, user) &&
    same(filter.database, database) &&
    same(filter.client, client)
  );
}

/** What the stream told and the list does not have yet, before the list; each once, the latest first. */
export function joined(live: readonly Violation[], listed: readonly Violation[]): readonly Violation[] {
  const known = new Set(listed.map((one) => one.event_id));
  const fresh = live.filter((one) => !known.has(one.event_id));
  if (fresh.length === 0) return listed;
  return [...fresh, ...listed].sort((a, b) => b.at_unix_ms - a.at_unix_ms);
}

/** How often, as a word behind what happened; empty for once. */
export const timesOf = (one: Pick<SecurityViolation, "count">): string =>
  one.count > 1 ? `×${one.count}` : "";

/** What was done about it, and how that is meant. */
export const doneOf = (action: string): { word: string; tone: "good" | "warn" | "plain" } => {
  if (action === "blocked") return { word: "blocked", tone: "good" };
  if (action === "reported") return { word: "let through", tone: "warn" };
  return { word: "not said", tone: "plain" };
};

/** Names to choose from: those of the last day, those seen on the page, and the chosen one. */
export const choicesOf = (names: readonly string[], chosen: string): string[] =>
  [...new Set([...names, chosen])].filter((name) => name !== "").sort();
