// Paths, parameters and query strings.
import { describe, expect, it } from "vitest";
import { match, withQuery } from "./match";

describe("match", () => {
  it("finds the root", () => expect(match("/", "/")).toEqual({}));
  it("finds parameters", () =>
    expect(match("/queries/:fingerprint", "/queries/00ff")).toEqual({ fingerprint: "00ff" }));
  it("decodes them", () => expect(match("/t/:name", "/t/a%2Fb")).toEqual({ name: "a/b" }));
  it("bears what cannot be decoded", () => expect(match("/t/:name", "/t/%zz")).toEqual({ name: "%zz" }));
  it("does not mind a slash at the end", () => expect(match("/queries", "/queries/")).toEqual({}));
  it("tells longer and other paths apart", () => {
    expect(match("/queries", "/queries/1")).toBeNull();
    expect(match("/queries/:id", "/alerts/1")).toBeNull();
  });
});

describe("withQuery", () => {
  it("sets, changes and takes out", () => {
    expect(withQuery("?a=1&b=2", { a: null, b: "3", c: "x y" })).toBe("?b=3&c=x+y");
    expect(withQuery("?a=1", { a: "" })).toBe("");
  });
});
