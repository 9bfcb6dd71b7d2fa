import { describe, expect, it } from "vitest";
import { newMatcher, problemOf, readMatchers, rowsOf } from "./matchers";

describe("matchers while they are typed", () => {
  it("leave out what is not there yet", () => {
    expect(readMatchers([newMatcher("rule", " slow-* "), newMatcher("", "")])).toEqual({ rule: "slow-*" });
    expect(readMatchers(rowsOf({ a: "1", b: "2" }))).toEqual({ a: "1", b: "2" });
  });

  it.each([
    [{}, "Say what fits"],
    [{ project: "shop" }, "more than the project"],
    [{ rule: "" }, "lacks its pattern"],
    [{ "": "x" }, "lacks its name"],
    [{ rule: "x", project: "shop" }, ""],
  ])("say what is wrong with %o", (matchers, said) => {
    expect(problemOf(rowsOf(matchers))).toContain(said);
    if (said === "") expect(problemOf(rowsOf(matchers))).toBe("");
  });

  it("are not said twice", () => {
    expect(problemOf([newMatcher("rule", "a"), newMatcher("rule", "b")])).toContain("twice");
  });
});
