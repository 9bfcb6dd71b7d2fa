import { describe, expect, it } from "vitest";
import { type Filter, isFiltered, matches, namesIn, queryOf } from "./auditFilter";
import type { AuditEntry } from "./types";

const NONE: Filter = { search: "", actor: "", method: "", span: "", refused: "" };
const entry = (action: string) => ({ action }) as AuditEntry;

describe("the filter of the audit", () => {
  it("asks for what was said, and nothing else", () => {
    expect(queryOf(NONE, 5)).toEqual({ search: "", actor: "", since: null, refused: null });
    expect(queryOf({ ...NONE, span: "1h", refused: "1", search: " x " }, 3_600_005)).toEqual({
      search: "x",
      actor: "",
      since: 5,
      refused: true,
    });
    expect(queryOf({ ...NONE, span: "of old" }, 5).since).toBeNull();
  });

  it("sorts out methods by the first word", () => {
    expect(matches({ ...NONE, method: "PUT" }, entry("PUT /database/schedules"))).toBe(true);
    expect(matches({ ...NONE, method: "PUT" }, entry("POST /PUT"))).toBe(false);
    expect(matches(NONE, entry("POST /x"))).toBe(true);
  });

  it("knows when it is none", () => {
    expect(isFiltered(NONE)).toBe(false);
    expect(isFiltered({ ...NONE, actor: "ci" })).toBe(true);
  });

  it("gathers names, and stays the same list where none is new", () => {
    const known = ["a"];
    const by = (actor: string) => ({ actor }) as AuditEntry;
    expect(namesIn(known, [by("b"), by("a"), by("b")])).toEqual(["a", "b"]);
    expect(namesIn(known, [by("a")])).toBe(known);
  });
});
