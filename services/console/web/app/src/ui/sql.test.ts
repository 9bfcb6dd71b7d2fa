// What the highlighter takes for what, and that it loses nothing.
import { describe, expect, it } from "vitest";
import { breakLines, tokens } from "./sql";

const SQL = `SELECT o.id, 'it''s' AS "from" FROM orders o -- all\nWHERE o.total > 10.5 AND o.id = $1 /* x */ AND b = $t$a ' b$t$`;

describe("tokens", () => {
  const found = tokens(SQL);
  const of = (part: string) => found.filter((token) => token.part === part).map((token) => token.text);
  it("loses nothing", () => expect(found.map((token) => token.text).join("")).toBe(SQL));
  it("knows keywords, not quoted names", () =>
    expect(of("keyword")).toEqual(["SELECT", "AS", "FROM", "WHERE", "AND", "AND"]));
  it("knows strings, also with dollars", () => expect(of("string")).toEqual(["'it''s'", "$t$a ' b$t$"]));
  it("knows parameters, numbers and comments", () => {
    expect(of("parameter")).toEqual(["$1"]);
    expect(of("number")).toEqual(["10.5"]);
    expect(of("comment")).toEqual(["-- all", "/* x */"]);
  });
  it("bears what never ends", () =>
    expect(tokens("SELECT 'a").map((token) => token.part)).toEqual(["keyword", "plain", "string"]));
});

describe("breakLines", () => {
  it("breaks before clauses, outside of parentheses", () => {
    const long =
      "SELECT a.id, count(*) FROM accounts a LEFT JOIN orders o ON o.account = a.id WHERE a.id IN (SELECT id FROM x WHERE y) GROUP BY a.id";
    expect(breakLines(long).split("\n")).toEqual([
      "SELECT a.id, count(*)",
      "FROM accounts a",
      "LEFT JOIN orders o",
      "  ON o.account = a.id",
      "WHERE a.id IN (SELECT id FROM x WHERE y)",
      "GROUP BY a.id",
    ]);
  });
  it("leaves short ones alone", () => expect(breakLines("SELECT 1 FROM a")).toBe("SELECT 1 FROM a"));
});
