import { describe, expect, it } from "vitest";
import { draftOf, problemsOf, ruleOf } from "./ruleDraft";
import type { AlertRule } from "./types";

const RULE = {
  name: "pool-utilization",
  project: "",
  direction: "above",
  info: null,
  info_clear: null,
  warning: 0.8,
  warning_clear: 0.75,
  critical: 0.9,
  critical_clear: null,
  for_ms: 60_000,
  keep_firing_for_ms: 120_000,
} as AlertRule;

describe("a rule while it is edited", () => {
  it("comes back as it was", () => {
    expect(ruleOf(draftOf(RULE), RULE)).toEqual(RULE);
    expect(problemsOf(draftOf(RULE), RULE)).toEqual({});
  });

  it.each([
    ["warning", "much"],
    ["hold", "soon"],
    ["keep", "31d"],
    ["warning_clear", "0.85"],
    ["critical", "0.7"],
    ["info_clear", "1"],
  ] as const)("says what is wrong with %s %s", (key, text) => {
    expect(problemsOf({ ...draftOf(RULE), [key]: text }, RULE)).toHaveProperty(key);
  });

  it("wants a bound", () => {
    const none = { ...draftOf(RULE), warning: "", warning_clear: "", critical: "" };
    expect(problemsOf(none, RULE)).toHaveProperty("warning");
  });

  it("knows which way is bad", () => {
    const below = { ...RULE, direction: "below", warning: 30, warning_clear: 35, critical: 7 } as AlertRule;
    expect(problemsOf(draftOf(below), below)).toEqual({});
    expect(problemsOf({ ...draftOf(below), warning_clear: "20" }, below)).toHaveProperty("warning_clear");
  });
});
