import { describe, expect, it } from "vitest";
import type { Violation } from "./types";
import { choicesOf, doneOf, type Filter, fits, isFiltered, joined, queryOf, timesOf } from "./violations";

const NONE: Filter = { search: "", rule: "", action: "", span: "", user: "", database: "", client: "" };

const violation = (event_id: string, at_unix_ms: number, more: Partial<Violation> = {}): Violation => ({
  event_id,
  at_unix_ms,
  project: "shop",
  rule: "tautology",
  action: "reported",
  severity: "warning",
  upstream: "main",
  database: "orders",
  user: "app",
  application: "a shop",
  client: "192.0.2.7",
  door: "wire",
  summary: "An arm of OR is always true.",
  fingerprint: "",
  traceparent: "",
  count: 1,
  score: 60,
  rules: [],
  ...more,
});

describe("a violation that the stream tells", () => {
  const one = violation("e", 1);

  it("is shown where the list would have it", () => {
    for (const filter of [
      NONE,
      { ...NONE, search: " ALWAYS true" },
      { ...NONE, search: "192.0" },
      {
        ...NONE,
        rule: "tautology",
        action: "reported",
        user: "app",
        database: "orders",
        client: "192.0.2.7",
      },
    ])
      expect(fits(filter, "shop", one)).toBe(true);
  });

  it("is not shown where the list would not", () => {
    expect(fits(NONE, "bank", one)).toBe(false);
    for (const name of ["search", "rule", "action", "user", "database", "client"] as const)
      expect(fits({ ...NONE, [name]: "another" }, "shop", one), name).toBe(false);
  });

  it("stands before the list until the list has it, and never twice", () => {
    const listed = [violation("b", 5), violation("a", 3)];
    const ids = (found: readonly Violation[]) => found.map((each) => each.event_id);
    expect(ids(joined([violation("c", 9), violation("b", 5)], listed))).toEqual(["c", "b", "a"]);
    expect(ids(joined([violation("x", 4)], listed))).toEqual(["b", "x", "a"]);
    // The same list where there is nothing to add, so that nothing is drawn again.
    expect(joined([violation("b", 5)], listed)).toBe(listed);
  });
});

describe("words", () => {
  it("say how often and what was done", () => {
    expect([timesOf({ count: 0 }), timesOf({ count: 1 }), timesOf({ count: 7 })]).toEqual(["", "", "×7"]);
    expect(["blocked", "reported", "new"].map((action) => doneOf(action).word)).toEqual([
      "blocked",
      "let through",
      "not said",
    ]);
  });

  it("hold the chosen name though nothing else names it", () => {
    expect(choicesOf(["b", "a", "b", ""], "c")).toEqual(["a", "b", "c"]);
    expect(choicesOf([], "")).toEqual([]);
  });
});

it("the question holds the project and what is filtered", () => {
  expect(isFiltered(NONE)).toBe(false);
  expect(isFiltered({ ...NONE, span: "1h" })).toBe(true);
  expect(queryOf({ ...NONE, search: " x " }, "shop", 7)).toMatchObject({
    project: "shop",
    search: "x",
    since: 7,
  });
});
