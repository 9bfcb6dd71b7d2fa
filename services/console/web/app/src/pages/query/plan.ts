// A plan as a tree, from PostgreSQL's JSON. Pure; what cannot be read is no plan.

export interface PlanNode {
  /** Its place in the plan, from 0, each node before those below it: findings name it. */
  id: number;
  type: string;
  relation: string;
  index: string;
  /** `Filter: (a = 1)` and their like. */
  conditions: string[];
  rows: number;
  /** The planner's cost of the node with all below it. */
  cost: number;
  /** Without what is below it. */
  ownCost: number;
  children: PlanNode[];
}

type Raw = Record<string, unknown>;

const CONDITIONS = [
  "Index Cond",
  "Recheck Cond",
  "Hash Cond",
  "Merge Cond",
  "Join Filter",
  "Filter",
  "Sort Key",
  "Group Key",
];

export function readPlan(json: string): PlanNode | null {
  let read: unknown;
  try {
    read = JSON.parse(json);
  } catch {
    return null;
  }
  const top = Array.isArray(read) ? (read[0] as unknown) : read;
  if (!isRaw(top)) return null;
  const root = isRaw(top.Plan) ? top.Plan : top;
  if (typeof root["Node Type"] !== "string") return null;
  let next = 0;
  const build = (raw: Raw, depth: number): PlanNode => {
    const id = next;
    next += 1;
    const below = Array.isArray(raw.Plans) && depth < DEEPEST ? raw.Plans.filter(isRaw) : [];
    const children = below.map((child) => build(child, depth + 1));
    const cost = numberOf(raw["Total Cost"]);
    const ownCost = Math.max(0, cost - children.reduce((sum, child) => sum + child.cost, 0));
    return {
      id,
      type: typeOf(raw),
      relation: [raw.Schema, raw["Relation Name"] ?? raw["CTE Name"] ?? raw["Function Name"]]
        .filter(Boolean)
        .join("."),
      index: textOf(raw["Index Name"]),
      conditions: CONDITIONS.flatMap((name) => conditionOf(name, raw[name])),
      rows: numberOf(raw["Plan Rows"]),
      cost,
      ownCost,
      children,
    };
  };
  return build(root, 0);
}

/** Nobody reads deeper ones, and the page must not die of them. */
const DEEPEST = 100;

const isRaw = (value: unknown): value is Raw =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const numberOf = (value: unknown): number => (typeof value === "number" ? value : 0);
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

function typeOf(raw: Raw): string {
  const type = textOf(raw["Node Type"]) || "?";
  const join = textOf(raw["Join Type"]);
  const isParallel = raw["Parallel Aware"] === true ? "Parallel " : "";
  if (join === "" || join === "Inner") return `${isParallel}${type}`;
  return `${isParallel}${type.replace(/ Join$/, "")} ${join} Join`;
}

function conditionOf(name: string, value: unknown): string[] {
  if (typeof value === "string") return [`${name}: ${value}`];
  if (Array.isArray(value) && value.length > 0) return [`${name}: ${value.join(", ")}`];
  return [];
}
