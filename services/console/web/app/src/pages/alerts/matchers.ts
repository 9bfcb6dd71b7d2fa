// The matchers of a silence while they are typed. Pure.

export interface Matcher {
  key: number;
  name: string;
  pattern: string;
}

let made = 0;

export function newMatcher(name = "", pattern = ""): Matcher {
  made += 1;
  return { key: made, name, pattern };
}

export const rowsOf = (matchers: Readonly<Record<string, string>>): Matcher[] =>
  Object.entries(matchers).map(([name, pattern]) => newMatcher(name, pattern));

/** Rows without a name or a pattern are not there yet. */
export const readMatchers = (rows: readonly Matcher[]): Record<string, string> =>
  Object.fromEntries(
    rows
      .map(({ name, pattern }) => [name.trim(), pattern.trim()] as const)
      .filter(([name, pattern]) => name !== "" && pattern !== ""),
  );

/** Why these cannot be the matchers of a silence. Empty: they can. */
export function problemOf(rows: readonly Matcher[]): string {
  const names = rows.map((row) => row.name.trim()).filter((name) => name !== "");
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice) return `${twice} is there twice. Put | between two patterns.`;
  const half = rows.find((row) => (row.name.trim() === "") !== (row.pattern.trim() === ""));
  if (half) return half.name.trim() === "" ? "A pattern lacks its name." : `${half.name} lacks its pattern.`;
  const wanted = Object.keys(readMatchers(rows));
  if (wanted.length === 0) return "Say what fits: a silence of everything hides everything.";
  return wanted.every((name) => name === "project") ? "Say more than the project." : "";
}
