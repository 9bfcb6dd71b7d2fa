// Which connections a search finds. Pure.
import type { Client, ServerConnection } from "./types";

type Row = Client | ServerConnection;

/** Every word of the search is in something that one reads in the row. */
export function matches(row: Row, search: string): boolean {
  const place = "address" in row ? `${row.address} ${row.project}` : row.upstream;
  const text = [row.id, row.application, row.role, row.database, place].join(" ").toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

export const statesOf = (rows: readonly Row[]): string[] => [...new Set(rows.map((row) => row.state))].sort();
