import { describe, expect, it } from "vitest";
import type { Alert } from "@/api";
import { fits, matchersOf, matchesPattern } from "./pattern";

const ALERT = {
  rule: "slow-query",
  project: "shop",
  severity: "warning",
  fingerprint: "",
  labels: { database: "app" },
} as unknown as Alert;

describe("patterns", () => {
  it.each([
    ["a", "a", true],
    ["a", "ab", false],
    ["*", "", true],
    ["a*", "abc", true],
    ["*c", "abc", true],
    ["a*c*e", "abcde", true],
    ["a*c*e", "abcd", false],
    ["a*a", "a", false],
    ["a**a", "aa", true],
    ["a|b*", "bcd", true],
    ["!a|b", "b", false],
    ["!a|b", "c", true],
  ])("%s on %s", (pattern, word, expected) => {
    expect(matchesPattern(pattern, word)).toBe(expected);
  });

  it("fit when all of them do", () => {
    expect(fits({ rule: "slow-*", database: "app" }, ALERT)).toBe(true);
    expect(fits({ rule: "slow-*", database: "other" }, ALERT)).toBe(false);
    expect(fits({ role: "x" }, ALERT)).toBe(false);
    expect(fits({ role: "!x" }, ALERT)).toBe(true);
  });

  it("are prefilled so that the alert itself fits", () => {
    expect(fits(matchersOf(ALERT), ALERT)).toBe(true);
    expect(matchersOf(ALERT)).toEqual({ rule: "slow-query", project: "shop", database: "app" });
  });
});
