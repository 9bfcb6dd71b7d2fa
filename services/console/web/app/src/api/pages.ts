// Lists that are read page by page: what becomes of them when their beginning is read anew. Pure.

export interface PageOf<Row> {
  rows: readonly Row[];
  /** The path of the page after it; null: there is none. */
  next: string | null;
}

type KeyOf<Row> = (row: Row) => string;

/**
 * The beginning of a list of which the newest come first, read anew, and what was read of it before. Where they meet
 * they are one; where they do not, too much has come in between to know it all, and the list begins anew.
 */
export function joinNewer<Row>(newer: PageOf<Row>, known: PageOf<Row>, keyOf: KeyOf<Row>): PageOf<Row> {
  if (newer.next === null || known.rows.length === 0) return newer;
  const seen = new Set(newer.rows.map(keyOf));
  if (!known.rows.some((row) => seen.has(keyOf(row)))) return newer;
  const last = newer.rows.at(-1);
  const at = last === undefined ? -1 : known.rows.findIndex((row) => keyOf(row) === keyOf(last));
  return joinRest(newer, { ...known, rows: known.rows.slice(at + 1) }, seen, keyOf);
}

/** The beginning of a list in which everything may change its place, and what else was known until it is read anew. */
export function joinRanked<Row>(newer: PageOf<Row>, known: PageOf<Row>, keyOf: KeyOf<Row>): PageOf<Row> {
  if (newer.next === null || known.rows.length <= newer.rows.length) return newer;
  return joinRest(newer, known, new Set(newer.rows.map(keyOf)), keyOf);
}

function joinRest<Row>(
  newer: PageOf<Row>,
  rest: PageOf<Row>,
  seen: ReadonlySet<string>,
  keyOf: KeyOf<Row>,
): PageOf<Row> {
  return { rows: [...newer.rows, ...rest.rows.filter((row) => !seen.has(keyOf(row)))], next: rest.next };
}

/** A further page at the end; what is there already is not added twice. */
export function joinOlder<Row>(known: PageOf<Row>, older: PageOf<Row>, keyOf: KeyOf<Row>): PageOf<Row> {
  const seen = new Set(known.rows.map(keyOf));
  return { rows: [...known.rows, ...older.rows.filter((row) => !seen.has(keyOf(row)))], next: older.next };
}
