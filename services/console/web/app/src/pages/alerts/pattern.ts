// Whether a silence fits an alert, by the same words with holes as the monitor's: `*` any part, `|` or, `!` none. Pure.
import type { Alert } from "@/api";

export function matchesPattern(pattern: string, word: string): boolean {
  const isWithout = pattern.startsWith("!");
  const body = isWithout ? pattern.slice(1) : pattern;
  return body.split("|").some((glob) => matchesGlob(glob, word)) !== isWithout;
}

function matchesGlob(glob: string, word: string): boolean {
  const [first = "", ...rest] = glob.split("*");
  if (rest.length === 0) return glob === word;
  if (!word.startsWith(first)) return false;
  let left = word.slice(first.length);
  for (const part of rest.slice(0, -1)) {
    const at = left.indexOf(part);
    if (at < 0) return false;
    left = left.slice(at + part.length);
  }
  return left.endsWith(rest.at(-1) ?? "");
}

/** What of an alert a matcher of this name looks at. A label that the alert does not have is the empty word. */
export function factOf(alert: Alert, name: string): string {
  if (name === "rule") return alert.rule;
  if (name === "project") return alert.project;
  if (name === "severity") return alert.severity;
  if (name === "fingerprint") return alert.fingerprint;
  return alert.labels[name] ?? "";
}

export const fits = (matchers: Readonly<Record<string, string>>, alert: Alert): boolean =>
  Object.entries(matchers).every(([name, pattern]) => matchesPattern(pattern, factOf(alert, name)));

/** The narrowest silence for an alert: this rule, this project, exactly these labels. */
export function matchersOf(alert: Alert): Record<string, string> {
  const matchers: Record<string, string> = { rule: alert.rule, project: alert.project };
  if (alert.fingerprint) matchers.fingerprint = alert.fingerprint;
  return { ...matchers, ...alert.labels };
}
