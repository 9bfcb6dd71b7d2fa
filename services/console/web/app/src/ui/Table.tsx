// Tables: sortable, walked with the arrow keys, with a head that stays, smooth with thousands of rows (only those in
// sight are there), and cards on a phone.
import {
  type CSSProperties,
  type KeyboardEvent,
  memo,
  type ReactNode,
  type RefObject,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { useQueryState } from "@/router";
import { Icon } from "./Icon";
import styles from "./Table.module.css";
import {
  type Direction,
  readSort,
  type Slice,
  type Sort,
  type SortValue,
  sliceOf,
  sortRows,
  writeSort,
} from "./tableRows";
import { useIsPhone } from "./useMedia";

export interface Column<Row> {
  key: string;
  title: string;
  cell: (row: Row) => ReactNode;
  /** What the column is sorted by; without, it is not. */
  sort?: (row: Row) => SortValue;
  /** Numbers stand at the right, and are first sorted from the greatest. */
  numeric?: boolean;
  /** A CSS width; the rest is shared. Tables with many rows need one for all columns but one. */
  width?: string;
  /** The heading of the card on a phone. The first column is, if none says so. */
  lead?: boolean;
  /** Not on a phone. */
  wideOnly?: boolean;
  /** Takes a whole line of the card on a phone: sentences, rows of buttons. */
  whole?: boolean;
  /** A word about the column, shown on hover. */
  help?: string;
}

interface TableProps<Row> {
  /** What the table holds, for those who hear the page. */
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  /** The order at first: a column's key, with `-` in front for the greatest first. */
  initialSort?: string;
  /** The name under which the order is kept in the address. Two tables of a page need two names. */
  sortName?: string;
  /** Marks a row, such as the chosen one. */
  isMarked?: (row: Row) => boolean;
  /** Shown in place of no rows. */
  empty?: ReactNode;
  /** What follows the last row: `<More>`. */
  end?: ReactNode;
  /** The most that a long table takes of the page. */
  maxHeight?: string;
  /** The height of a row, and of a card, where there are more than 200: they are all alike then. */
  rowHeight?: number;
  cardHeight?: number;
}

const VIRTUAL_FROM = 200;

export function Table<Row>(props: TableProps<Row>) {
  const { columns, rows, rowKey, label, initialSort = "", sortName = "sort", empty } = props;
  const [sortText, setSortText] = useQueryState(sortName, initialSort);
  const isPhone = useIsPhone();
  const sort = readSort(sortText);
  const sorted = useSorted(rows, columns, sort);
  const scroller = useRef<HTMLDivElement>(null);
  const isVirtual = rows.length > VIRTUAL_FROM;
  const rowHeight = isPhone ? (props.cardHeight ?? 148) : (props.rowHeight ?? 44);
  const slice = useSlice(scroller, isVirtual, rowHeight, sorted.length);
  useMoving(scroller, isVirtual);
  if (rows.length === 0 && empty) {
    return (
      <>
        {empty}
        {props.end}
      </>
    );
  }

  const shown = sorted.slice(slice.from, slice.to);
  const choose = (column: Column<Row>) => setSortText(writeSort(nextSort(column, sort)));

  return (
    <div
      ref={scroller}
      className={styles.scroller}
      data-virtual={isVirtual || undefined}
      style={isVirtual ? { maxHeight: props.maxHeight ?? "72dvh" } : undefined}
      role="group"
      aria-label={label}
      onKeyDown={(event) => walk(event, scroller, rowHeight, isVirtual)}
    >
      {/* As high as all rows would be, whatever rows are there: what is in sight never jumps. */}
      <div style={isVirtual ? roomOf(slice, sorted.length, rowHeight) : undefined}>
        {/* The roles are said because cards on a phone are no tables to browsers. */}
        <table className={styles.table} role="table" aria-label={label} aria-rowcount={sorted.length + 1}>
          <Head columns={columns} sort={sort} choose={choose} />
          <tbody role="rowgroup" className={styles.body}>
            {shown.map((row, index) => (
              <Row
                key={rowKey(row)}
                row={row}
                columns={columns}
                index={slice.from + index}
                height={isVirtual ? rowHeight : undefined}
                isMarked={props.isMarked?.(row) ?? false}
              />
            ))}
          </tbody>
        </table>
      </div>
      {props.end}
    </div>
  );
}

const HEAD_HEIGHT = 36;

const roomOf = (slice: Slice, length: number, rowHeight: number): CSSProperties => ({
  height: HEAD_HEIGHT + length * rowHeight,
  paddingTop: slice.from * rowHeight,
});

function nextSort<Row>(column: Column<Row>, sort: Sort | null): Sort {
  const first: Direction = column.numeric ? "desc" : "asc";
  if (sort?.key !== column.key) return { key: column.key, direction: first };
  return { key: column.key, direction: sort.direction === "asc" ? "desc" : "asc" };
}

function useSorted<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  sort: Sort | null,
): readonly Row[] {
  const value = columns.find((column) => column.key === sort?.key)?.sort;
  const direction = sort?.direction ?? "asc";
  const latest = useRef(value);
  latest.current = value;
  const key = value ? sort?.key : "";
  // The functions of the columns are made anew at every render; the column's key says which it is.
  return useMemo(() => {
    const by = latest.current;
    return key && by ? sortRows(rows, by, direction) : rows;
  }, [rows, key, direction]);
}

function useSlice(
  scroller: RefObject<HTMLDivElement | null>,
  isVirtual: boolean,
  rowHeight: number,
  length: number,
) {
  const [slice, setSlice] = useState<Slice>({ from: 0, to: Math.min(length, 30) });
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element || !isVirtual) return;
    const look = () => {
      const next = sliceOf(element.scrollTop, element.clientHeight, rowHeight, length);
      setSlice((before) => (before.from === next.from && before.to === next.to ? before : next));
    };
    look();
    element.addEventListener("scroll", look, { passive: true });
    const watch = new ResizeObserver(look);
    watch.observe(element);
    return () => {
      element.removeEventListener("scroll", look);
      watch.disconnect();
    };
  }, [scroller, isVirtual, rowHeight, length]);
  return isVirtual ? slice : { from: 0, to: length };
}

const STILL_MS = 120;

/** Says in the page itself, past React, whether the list is being scrolled; nobody who presses it misses for that. */
function useMoving(scroller: RefObject<HTMLDivElement | null>, isVirtual: boolean): void {
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element || !isVirtual) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const rest = () => {
      clearTimeout(timer);
      delete element.dataset.moving;
    };
    const move = () => {
      clearTimeout(timer);
      timer = setTimeout(rest, STILL_MS);
      element.dataset.moving = "";
    };
    let wasPressed = false;
    const press = () => {
      wasPressed = element.dataset.moving !== undefined;
      rest();
    };
    const click = (event: MouseEvent) => {
      if (wasPressed) pressWhatIsThere(element, event);
      wasPressed = false;
    };
    element.addEventListener("scroll", move, { passive: true });
    element.addEventListener("pointerdown", press);
    element.addEventListener("click", click);
    return () => {
      element.removeEventListener("scroll", move);
      element.removeEventListener("pointerdown", press);
      element.removeEventListener("click", click);
      rest();
    };
  }, [scroller, isVirtual]);
}

/** What was pressed while the rows did not listen went to the list: it was meant for what is under the pointer. */
function pressWhatIsThere(element: HTMLElement, event: MouseEvent): void {
  const there = document.elementFromPoint(event.clientX, event.clientY);
  const meant = there?.closest("a, button, input");
  if (!meant || !element.contains(meant) || meant.contains(event.target as Node)) return;
  meant.dispatchEvent(new MouseEvent("click", event));
}

interface HeadProps<Row> {
  columns: readonly Column<Row>[];
  sort: Sort | null;
  choose: (column: Column<Row>) => void;
}

function Head<Row>({ columns, sort, choose }: HeadProps<Row>) {
  return (
    <thead role="rowgroup" className={styles.head}>
      <tr role="row" aria-rowindex={1}>
        {columns.map((column) => (
          <HeadCell key={column.key} column={column} sort={sort} choose={choose} />
        ))}
      </tr>
    </thead>
  );
}

function HeadCell<Row>({ column, sort, choose }: { column: Column<Row> } & Omit<HeadProps<Row>, "columns">) {
  const isSorted = sort?.key === column.key && column.sort !== undefined;
  const direction = isSorted ? (sort.direction === "asc" ? "ascending" : "descending") : undefined;
  return (
    <th
      role="columnheader"
      scope="col"
      aria-sort={column.sort ? (direction ?? "none") : undefined}
      style={{ width: column.width }}
      className={column.numeric ? styles.numeric : undefined}
      data-wide-only={column.wideOnly || undefined}
      title={column.help}
    >
      {column.sort ? (
        <button type="button" className={styles.sort} data-sorted={direction} onClick={() => choose(column)}>
          {column.title}
          <span className={styles.arrow} aria-hidden="true">
            <Icon name="chevron" size={12} />
          </span>
        </button>
      ) : (
        column.title || <span className="sr-only">Actions</span>
      )}
    </th>
  );
}

interface RowProps<Row> {
  row: Row;
  columns: readonly Column<Row>[];
  index: number;
  height: number | undefined;
  isMarked: boolean;
}

function PlainRow<Row>({ row, columns, index, height, isMarked }: RowProps<Row>) {
  const hasLead = columns.some((column) => column.lead);
  return (
    <tr
      role="row"
      aria-rowindex={index + 2}
      data-row={index}
      data-marked={isMarked || undefined}
      className={styles.row}
      style={{ height }}
    >
      {columns.map((column, at) => (
        <td
          key={column.key}
          role="cell"
          data-title={column.title}
          data-lead={column.lead || (!hasLead && at === 0) || undefined}
          data-wide-only={column.wideOnly || undefined}
          data-whole={column.whole || undefined}
          className={column.numeric ? styles.numeric : undefined}
        >
          {column.cell(row)}
        </td>
      ))}
    </tr>
  );
}

/** Rows that stay in sight are not rendered again while others come and go. */
const Row = memo(PlainRow) as typeof PlainRow;

const STEPS: Record<string, number> = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: 10,
  PageUp: -10,
  Home: -1e9,
  End: 1e9,
};

/** Arrow keys go from the link or button of one row to that of the next, also to rows that are not there yet. */
function walk(
  event: KeyboardEvent,
  scroller: RefObject<HTMLDivElement | null>,
  rowHeight: number,
  isVirtual: boolean,
): void {
  const step = STEPS[event.key];
  const element = scroller.current;
  const target = event.target as HTMLElement;
  const at = target.closest<HTMLElement>("[data-row]");
  if (!step || !element || !at || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
  event.preventDefault();
  const last = Number(element.querySelector("table")?.getAttribute("aria-rowcount") ?? 1) - 2;
  const wanted = Math.min(last, Math.max(0, Number(at.dataset.row) + step));
  if (isVirtual) bringIntoSight(element, wanted * rowHeight, rowHeight);
  focusRow(element, wanted, isVirtual, 30);
}

/** At once where the row is there, so that keys held down lose no step; one far away is there a few frames later. */
function focusRow(element: HTMLElement, index: number, isVirtual: boolean, framesLeft: number): void {
  const row = element.querySelector<HTMLElement>(`[data-row="${index}"]`);
  if (row) row.querySelector<HTMLElement>("a, button, input")?.focus({ preventScroll: isVirtual });
  else if (framesLeft > 0) {
    requestAnimationFrame(() => focusRow(element, index, isVirtual, framesLeft - 1));
  }
}

function bringIntoSight(element: HTMLElement, top: number, rowHeight: number): void {
  const head = element.querySelector("thead")?.clientHeight ?? 0;
  if (top < element.scrollTop) element.scrollTop = top;
  const bottom = top + rowHeight + head;
  if (bottom > element.scrollTop + element.clientHeight) element.scrollTop = bottom - element.clientHeight;
  element.dispatchEvent(new Event("scroll"));
}
