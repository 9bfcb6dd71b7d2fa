// Sorting rows and choosing those in sight. Pure.

export type SortValue = number | string | null;
export type Direction = "asc" | "desc";

export interface Sort {
  key: string;
  direction: Direction;
}

/** Sorted by a value; what has none comes last in either direction; equals keep their order. */
export function sortRows<Row>(
  rows: readonly Row[],
  value: (row: Row) => SortValue,
  direction: Direction,
): Row[] {
  const sign = direction === "asc" ? 1 : -1;
  return rows
    .map((row) => ({ row, value: value(row) }))
    .sort((a, b) => {
      if (a.value === null || b.value === null) return Number(a.value === null) - Number(b.value === null);
      return sign * compare(a.value, b.value);
    })
    .map(({ row }) => row);
}

/** Made once: to compare two texts with the rules given anew each time takes a thousand rows half a second. */
const texts = new Intl.Collator("en", { numeric: true });

function compare(a: number | string, b: number | string): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return texts.compare(String(a), String(b));
}

export interface Slice {
  from: number;
  to: number;
}

/** The rows in sight, and some above and below; begins at a multiple of four, so that it changes seldom. */
export function sliceOf(top: number, height: number, rowHeight: number, length: number, spare = 8): Slice {
  const first = Math.min(Math.floor(top / rowHeight), Math.max(0, length - 1));
  const from = Math.max(0, roundDown(first - spare));
  const to = Math.min(length, from + roundDown(Math.ceil(height / rowHeight) + 2 * spare + 2 * STEP));
  return { from, to };
}

const STEP = 4;
const roundDown = (rows: number): number => Math.floor(rows / STEP) * STEP;

/** `-total_ms` in an address: descending by total_ms. */
export function readSort(text: string): Sort | null {
  if (text === "") return null;
  return text.startsWith("-") ? { key: text.slice(1), direction: "desc" } : { key: text, direction: "asc" };
}

export const writeSort = (sort: Sort): string => `${sort.direction === "desc" ? "-" : ""}${sort.key}`;
