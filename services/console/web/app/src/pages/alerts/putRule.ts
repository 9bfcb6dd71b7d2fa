// How a rule is put: with all that is known of it, for it replaces what was put before.
import { api } from "@/api";
import { type AlertRule, RULES } from "./types";

/** What is not said is null when it is put. */
const said = <Word extends string>(word: Word): Word | null =>
  word === "" || word === "unspecified" ? null : word;

export function putRule({ origin: _, ...rule }: AlertRule) {
  return api.put<AlertRule>(RULES, {
    ...rule,
    project: said(rule.project),
    direction: said(rule.direction),
    severity: said(rule.severity),
  });
}
