// Plans as PostgreSQL writes them, and what is none.
import { describe, expect, it } from "vitest";
import { readPlan } from "./plan";

const PLAN = JSON.stringify([
  {
    Plan: {
      "Node Type": "Hash Join",
      "Join Type": "Left",
      "Total Cost": 100,
      "Plan Rows": 10,
      "Hash Cond": "(a.id = b.id)",
      Plans: [
        {
          "Node Type": "Seq Scan",
          "Relation Name": "a",
          Schema: "public",
          "Total Cost": 60,
          "Plan Rows": 9,
          Filter: "(x = 1)",
        },
        {
          "Node Type": "Hash",
          "Total Cost": 30,
          Plans: [{ "Node Type": "Index Scan", "Index Name": "b_pkey", "Total Cost": 30 }],
        },
      ],
    },
  },
]);

describe("readPlan", () => {
  const root = readPlan(PLAN);
  it("numbers nodes as findings do: each before those below it", () => {
    expect(root?.id).toBe(0);
    expect(root?.children.map((child) => child.id)).toEqual([1, 2]);
    expect(root?.children[1]?.children[0]?.id).toBe(3);
  });
  it("tells what each does by itself", () => {
    expect(root?.type).toBe("Hash Left Join");
    expect(root?.ownCost).toBe(10);
    expect(root?.children[0]).toMatchObject({
      relation: "public.a",
      conditions: ["Filter: (x = 1)"],
      ownCost: 60,
    });
    expect(root?.children[1]?.children[0]?.index).toBe("b_pkey");
  });
  it("is nothing for what is no plan", () => {
    for (const text of ["", "[]", "{}", "null", '[{"Plan":{}}]', "{", '"x"'])
      expect(readPlan(text), text).toBeNull();
  });
});
