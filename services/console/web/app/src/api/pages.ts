// Lists that are read page by page, the newest first: what becomes of them when their beginning is read anew. Pure.

export interface PageOf<Row> {
  rows: readonly Row[];
  next: string | null;
}

/**
 * The beginning of a list, read anew, and what was read of it before. Where they meet they are one; where they do not,
 * too much has come in between to know it all, and the list begins anew.
 */
export function joinNewer<Row>(
  newer: PageOf<Row>,
  known: PageOf<Row>,
  keyOf: (row: Row) => string,
): PageOf<Row> {
  if (newer.next === null || known.rows.length === 0) return newer;
  const last = newer.rows.at(-1);
  const at = last === undefined ? -1 : known.rows.findIndex((row) => keyOf(row) === keyOf(last));
  if (at >= 0) return { rows: [...newer.rows, ...known.rows.slice(at + 1)], next: known.next };
  const seen = new Set(newer.rows.map(keyOf));
  if (!known.rows.some((row) => seen.has(keyOf(row)))) return newer;
  return { rows: [...newer.rows, ...known.rows.filter((row) => !seen.has(keyOf(row)))], next: known.next };
}

/** A further page at the end; what is there already is not added twice. */
export function joinOlder<Row>(
  known: PageOf<Row>,
  older: PageOf<Row>,
  keyOf: (row: Row) => string,
): PageOf<Row> {
  const seen = new Set(known.rows.map(keyOf));
  return { rows: [...known.rows, ...older.rows.filter((row) => !seen.has(keyOf(row)))], next: older.next };
}
