// SQL for eyes: which part is what, and where lines may break. Pure; it never changes what is copied.

export type SqlPart = "keyword" | "string" | "number" | "comment" | "parameter" | "plain";

const KEYWORDS = new Set(
  `all analyze and any as asc between by case cast check coalesce column commit conflict constraint copy create cross
  current default delete desc distinct do drop else end except exists explain false fetch filter first for foreign from
  full group having if ilike in index inner insert intersect interval into is join key last lateral left like limit
  lock materialized merge natural not nothing null nulls of offset on only or order outer over partition primary
  recursive references returning right rollback row rows select set share similar skip some table then to true truncate
  union unique update using values view vacuum when where window with within`
    .split(/\s+/)
    .filter((word) => word !== ""),
);

const TOKEN =
  /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|('(?:[^']|'')*(?:'|$)|\$([A-Za-z_]\w*)?\$[\s\S]*?(?:\$\3\$|$))|(\$\d+)|("(?:[^"]|"")*(?:"|$))|(\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b)|([A-Za-z_][\w$]*)/gi;

export interface SqlToken {
  part: SqlPart;
  text: string;
}

export function tokens(sql: string): SqlToken[] {
  const found: SqlToken[] = [];
  let at = 0;
  for (const hit of sql.matchAll(TOKEN)) {
    if (hit.index > at) found.push({ part: "plain", text: sql.slice(at, hit.index) });
    found.push({ part: partOf(hit), text: hit[0] });
    at = hit.index + hit[0].length;
  }
  if (at < sql.length) found.push({ part: "plain", text: sql.slice(at) });
  return found;
}

function partOf(hit: RegExpExecArray): SqlPart {
  if (hit[1] !== undefined) return "comment";
  if (hit[2] !== undefined) return "string";
  if (hit[4] !== undefined) return "parameter";
  if (hit[6] !== undefined) return "number";
  if (hit[7] !== undefined && KEYWORDS.has(hit[7].toLowerCase())) return "keyword";
  return "plain";
}

const CLAUSES = new Set(
  "from where group order having limit offset returning values set union except intersect on join left right inner cross full".split(
    " ",
  ),
);
const JOINS = new Set(["left", "right", "inner", "cross", "full"]);
const SHORT = 72;

/** Breaks a long one-line statement before its clauses, outside of parentheses. Others stay as they are. */
export function breakLines(sql: string): string {
  if (sql.length <= SHORT || sql.includes("\n")) return sql;
  let depth = 0;
  let out = "";
  let before = "";
  for (const { part, text } of tokens(sql)) {
    const word = part === "keyword" ? text.toLowerCase() : "";
    if (depth === 0 && breaksBefore(word, before)) out = `${out.trimEnd()}\n${word === "on" ? "  " : ""}`;
    out += text;
    if (part === "plain") depth += countOf(text, "(") - countOf(text, ")");
    if (text.trim() !== "") before = word;
  }
  return out;
}

function breaksBefore(word: string, before: string): boolean {
  if (before === "" && word === "set") return true;
  if (!CLAUSES.has(word)) return false;
  // `left join`, `delete from`, `on conflict do update set` and their like belong together.
  return (
    !(word === "join" && (JOINS.has(before) || before === "outer")) &&
    !["delete", "do", "distinct"].includes(before)
  );
}

const countOf = (text: string, sign: string): number => text.split(sign).length - 1;
