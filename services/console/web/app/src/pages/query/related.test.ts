// What concerns a statement and what does not.
import { describe, expect, it } from "vitest";
import type { Advice, Alert, QueryStatistics } from "@/api/types";
import { adviceOf, alertsOf, mostOf, tracesOf } from "./related";

const advice = (id: string, table: string, reason = "") =>
  ({ id, table, reason, summary: "", statement: "" }) as Advice;
const alert = (fingerprint: string, traces: string[]) => ({ fingerprint, traces }) as Alert;

describe("adviceOf", () => {
  const query = 'SELECT * FROM orders o JOIN "Line Items" l USING (id)';
  it("puts what names the statement first, then its tables, and leaves out the rest", () => {
    const found = adviceOf(
      [
        advice("a", "public.orders"),
        advice("b", "public.order"),
        advice("c", "", "statement 00ff is slow"),
        advice("d", ""),
      ],
      "00ff",
      query,
    );
    expect(found.map(({ advice: { id }, isNamed }) => [id, isNamed])).toEqual([
      ["c", true],
      ["a", false],
    ]);
  });
  it("finds quoted names, and bears signs in them", () => {
    expect(adviceOf([advice("a", "public.Line Items"), advice("b", "public.a(b")], "x", query)).toHaveLength(
      1,
    );
  });
});

it("gathers alerts and traces, each once", () => {
  const alerts = alertsOf([alert("f", ["1", "2"]), alert("g", ["3"]), alert("f", ["2"])], "f");
  expect(alerts).toHaveLength(2);
  expect(tracesOf(alerts)).toEqual(["1", "2"]);
});

it("shows the heaviest database unless one is chosen", () => {
  const rows = [
    { database: "a", total_ms: 1 },
    { database: "b", total_ms: 2 },
  ] as QueryStatistics[];
  expect(mostOf(rows, "")?.database).toBe("b");
  expect(mostOf(rows, "a")?.database).toBe("a");
  expect(mostOf(rows, "c")).toBeNull();
});
