import { describe, expect, it } from "vitest";
import type { Advice } from "@/api";
import { kindWords, placeOf, statementOf } from "./words";

const ADVICE = {
  scope: "server",
  database: "",
  table: "",
  part: "",
  setting: "shared_buffers",
  current: "128MB",
  proposed: "4GB",
  statement: "",
} as Advice;

describe("advice in words", () => {
  it.each([
    [{}, "ALTER SYSTEM SET shared_buffers = '4GB';"],
    [{ proposed: null }, "ALTER SYSTEM RESET shared_buffers;"],
    [
      { setting: "pg_stat_statements.max", proposed: "it's" },
      "ALTER SYSTEM SET pg_stat_statements.max = 'it''s';",
    ],
    [
      { scope: "table", database: "app", table: "shop.Orders", setting: "fillfactor", proposed: "80" },
      `ALTER TABLE shop."Orders" SET (fillfactor = '80');`,
    ],
    [
      { scope: "table", database: "app", table: "shop.orders", setting: "fillfactor", proposed: null },
      "ALTER TABLE shop.orders RESET (fillfactor);",
    ],
    [{ statement: "DROP INDEX x;" }, "DROP INDEX x;"],
    [{ setting: "" }, ""],
    [{ scope: "database", setting: "x" }, ""],
  ] as [Partial<Advice>, string][])("%o is run as a statement", (part, sql) => {
    expect(statementOf({ ...ADVICE, ...part })).toBe(sql);
  });

  it("names its place", () => {
    expect(placeOf(ADVICE)).toBe("the server");
    expect(placeOf({ database: "app", table: "shop.orders", part: "orders_pkey" })).toBe(
      "shop.orders, orders_pkey in app",
    );
    expect(placeOf({ database: "app", table: "" })).toBe("database app");
  });

  it("names its kind", () => {
    expect(kindWords("duplicate-index")).toBe("Duplicate index");
  });
});
