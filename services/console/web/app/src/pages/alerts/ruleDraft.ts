// A rule while it is edited: texts in fields, what is wrong with them, and the rule that comes of them. Pure.
import type { AlertRule } from "./types";
import { readBound, readSpan, writeSpan } from "./units";

export const BOUNDS = [
  "warning",
  "warning_clear",
  "critical",
  "critical_clear",
  "info",
  "info_clear",
] as const;
type Bound = (typeof BOUNDS)[number];

export type Draft = Record<Bound | "hold" | "keep", string>;

const HOLD_MAX_MS = 30 * 86_400_000;
const textOf = (value: number | null) => (value === null ? "" : String(value));

export const draftOf = (rule: AlertRule): Draft => ({
  info: textOf(rule.info),
  info_clear: textOf(rule.info_clear),
  warning: textOf(rule.warning),
  warning_clear: textOf(rule.warning_clear),
  critical: textOf(rule.critical),
  critical_clear: textOf(rule.critical_clear),
  hold: writeSpan(rule.for_ms ?? 0),
  keep: writeSpan(rule.keep_firing_for_ms ?? 0),
});

export function problemsOf(draft: Draft, rule: AlertRule): Partial<Record<keyof Draft, string>> {
  const problems: Partial<Record<keyof Draft, string>> = {};
  for (const key of BOUNDS) if (Number.isNaN(readBound(draft[key]))) problems[key] = "A number.";
  for (const key of ["hold", "keep"] as const) {
    const span = readSpan(draft[key]);
    if (span === null) problems[key] = "A time such as 90s or 5m.";
    else if (span > HOLD_MAX_MS) problems[key] = "30 days at most.";
  }
  const sign = rule.direction === "below" ? -1 : 1;
  for (const level of ["info", "warning", "critical"] as const) {
    const [from, until] = [readBound(draft[level]), readBound(draft[`${level}_clear`])];
    if (from === null && until !== null) problems[`${level}_clear`] = "There is no bound to it.";
    if (from !== null && until !== null && (until - from) * sign > 0)
      problems[`${level}_clear`] = "On the good side of the bound, or the bound itself.";
  }
  const [warning, critical] = [readBound(draft.warning), readBound(draft.critical)];
  if (warning !== null && critical !== null && (warning - critical) * sign > 0)
    problems.critical ??= "Critical is worse than a warning.";
  if (BOUNDS.every((key) => readBound(draft[key]) === null))
    problems.warning = "A rule has at least one bound.";
  return problems;
}

export const ruleOf = (draft: Draft, rule: AlertRule): AlertRule => ({
  ...rule,
  ...(Object.fromEntries(BOUNDS.map((key) => [key, readBound(draft[key])])) as Record<Bound, number | null>),
  for_ms: readSpan(draft.hold),
  keep_firing_for_ms: readSpan(draft.keep),
});
