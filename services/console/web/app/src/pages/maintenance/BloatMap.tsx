// The treemap itself: each table is a button; arrow keys go to the neighbour, Enter chooses.
import { type KeyboardEvent, useLayoutEffect, useMemo, useRef, useState } from "react";
import { bytes, ratio as percent } from "@/format";
import { type BloatTable, classOf, wasteRatio, wasteWords } from "./bloat";
import styles from "./Maintenance.module.css";
import { neighbour, type Rect, treemap } from "./tiles";

/** Smaller ones are drawn as one, so that each can be seen and pressed. */
const LEAST_SHARE = 1 / 600;
const MOST = 120;

const STEPS: Record<string, [number, number]> = {
  ArrowRight: [1, 0],
  ArrowLeft: [-1, 0],
  ArrowDown: [0, 1],
  ArrowUp: [0, -1],
};

interface BloatMapProps {
  tables: BloatTable[];
  chosen: string | null;
  onChoose: (key: string) => void;
  /** Height for each pixel of width. */
  ratio: number;
}

export function BloatMap({ tables, chosen, onChoose, ratio }: BloatMapProps) {
  const holder = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [focused, setFocused] = useState(0);
  useLayoutEffect(() => {
    const element = holder.current;
    if (!element) return;
    const watch = new ResizeObserver(() => setWidth(element.clientWidth));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  const shown = useMemo(() => largest(tables), [tables]);
  const height = Math.round(width * ratio);
  const rects = useMemo(
    () =>
      treemap(
        shown.map((one) => one.sizeBytes),
        width,
        height,
      ),
    [shown, width, height],
  );
  const left = tables.length - shown.length;

  const onKeyDown = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const next = neighbour(rects, focused, step[0], step[1]);
    if (next === null) return;
    setFocused(next);
    holder.current?.querySelectorAll<HTMLElement>("button")[next]?.focus();
  };

  return (
    <div>
      <div
        ref={holder}
        role="group"
        aria-label="Tables by size, coloured by waste. Arrow keys go from one to the next."
        className={styles.map}
        style={{ height }}
        onKeyDown={onKeyDown}
      >
        {shown.map((table, index) => (
          <Cell
            key={table.key}
            table={table}
            rect={rects[index]}
            isChosen={table.key === chosen}
            isReached={index === Math.min(focused, shown.length - 1)}
            onFocus={() => setFocused(index)}
            onChoose={() => onChoose(table.key)}
          />
        ))}
      </div>
      {left > 0 && <p className={styles.left}>{left} small tables are in the table only.</p>}
    </div>
  );
}

function largest(tables: readonly BloatTable[]): BloatTable[] {
  const total = tables.reduce((sum, table) => sum + table.sizeBytes, 0);
  return tables.filter((table) => table.sizeBytes > total * LEAST_SHARE).slice(0, MOST);
}

interface CellProps {
  table: BloatTable;
  rect: Rect | undefined;
  isChosen: boolean;
  isReached: boolean;
  onFocus: () => void;
  onChoose: () => void;
}

function Cell({ table, rect, isChosen, isReached, onFocus, onChoose }: CellProps) {
  if (!rect) return null;
  const share = wasteRatio(table);
  const name = table.table.startsWith("public.") ? table.table.slice(7) : table.table;
  const hasRoom = rect.width > 64 && rect.height > 34;
  return (
    <button
      type="button"
      className={styles.cell}
      data-bloat={classOf(share)}
      aria-pressed={isChosen}
      title={`${table.table}\n${bytes(table.sizeBytes)}, ${wasteWords(table)}`}
      tabIndex={isReached ? 0 : -1}
      style={{ left: rect.x, top: rect.y, width: rect.width, height: rect.height }}
      onFocus={onFocus}
      onClick={onChoose}
    >
      {hasRoom && (
        <>
          <span className={styles.cellName}>{name}</span>
          {rect.height > 52 && <span className={styles.cellSize}>{bytes(table.sizeBytes)}</span>}
          {rect.height > 72 && share !== null && (
            <span className={styles.cellSize}>{percent(share)} waste</span>
          )}
        </>
      )}
      <span className="sr-only">
        {table.table}: {bytes(table.sizeBytes)}, {wasteWords(table)}
      </span>
    </button>
  );
}
