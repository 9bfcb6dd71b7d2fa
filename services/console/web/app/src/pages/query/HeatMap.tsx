// Latency over time as a heat-map: a column for each span, a row for each class of latency, the darker the more calls.
import { type KeyboardEvent, type PointerEvent, useEffect, useMemo, useRef, useState } from "react";
import type { HeatmapResponse } from "@/api";
import { clock, dayClock, duration, exact, plural, shortClock } from "@/format";
import { token, useTheme } from "@/ui/theme";
import styles from "./HeatMap.module.css";
import { type Heat, type HeatRow, heatOf, placeOf, spanAt, strengthOf } from "./heat";

interface Cell {
  span: number;
  row: number;
}

interface HeatMapProps {
  data: HeatmapResponse;
  sinceUnixMs: number;
  untilUnixMs: number;
}

export function HeatMap({ data, sinceUnixMs, untilUnixMs }: HeatMapProps) {
  const heat = useMemo(() => heatOf(data, sinceUnixMs, untilUnixMs), [data, sinceUnixMs, untilUnixMs]);
  const [cell, setCell] = useState<Cell | null>(null);
  const box = useRef<HTMLDivElement>(null);

  const point = (event: PointerEvent) => setCell(cellAt(event, box.current, heat));
  const walk = (event: KeyboardEvent) => {
    const next = step(event.key, cell, heat);
    if (!next) return;
    event.preventDefault();
    setCell(next);
  };
  const labels = ticksOf(heat.rows);
  return (
    <div className={styles.heat}>
      <div className={styles.axis} aria-hidden="true">
        {labels.map(({ text, at }) => (
          <span key={text} style={{ bottom: `${at * 100}%` }}>
            {text}
          </span>
        ))}
      </div>
      <div
        ref={box}
        className={styles.box}
        role="img"
        tabIndex={0}
        aria-label={`Heat-map of latency. ${summaryOf(heat)} Arrow keys walk through it.`}
        onPointerMove={point}
        onPointerLeave={() => setCell(null)}
        onKeyDown={walk}
        onBlur={() => setCell(null)}
      >
        <Canvas heat={heat} />
        {cell && <Mark cell={cell} heat={heat} />}
      </div>
      <div className={styles.times} aria-hidden="true">
        {timesOf(heat).map((text) => (
          <span key={text}>{text}</span>
        ))}
      </div>
      <p className={styles.said} aria-live="polite">
        {cell ? textOf(cell, heat) : <Scale most={heat.most} />}
      </p>
    </div>
  );
}

function Canvas({ heat }: { heat: Heat }) {
  const ref = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const canvas = ref.current;
    if (!canvas) return;
    const watch = new ResizeObserver(() =>
      setSize({ width: canvas.clientWidth, height: canvas.clientHeight }),
    );
    watch.observe(canvas);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    void theme;
    if (ref.current && size.width > 0) draw(ref.current, heat, size.width, size.height);
  }, [heat, size, theme]);
  return <canvas ref={ref} className={styles.canvas} />;
}

/** From shallow to deep water. */
const DEPTHS = ["water-1", "water-2", "water-3", "water-4", "water-5", "water-6"];

function draw(canvas: HTMLCanvasElement, heat: Heat, width: number, height: number): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const sharp = devicePixelRatio;
  canvas.width = width * sharp;
  canvas.height = height * sharp;
  const colors = DEPTHS.map(token);
  const cellHeight = canvas.height / heat.rows.length;
  heat.counts.forEach((column, x) => {
    const place = placeOf(heat, x);
    const left = Math.round(place.left * canvas.width);
    const right = Math.round((place.left + place.width) * canvas.width);
    const gap = right - left > 6 * sharp ? sharp : 0;
    column.forEach((count, y) => {
      if (count === 0) return;
      const at = strengthOf(count, heat.most) * (colors.length - 1);
      context.fillStyle = colors[Math.round(at)] ?? "";
      const top = Math.round(canvas.height - (y + 1) * cellHeight);
      context.fillRect(left, top, Math.max(1, right - left - gap), Math.ceil(cellHeight) - gap);
    });
  });
}

function Mark({ cell, heat }: { cell: Cell; heat: Heat }) {
  const place = placeOf(heat, cell.span);
  const style = {
    left: `${place.left * 100}%`,
    width: `${place.width * 100}%`,
    bottom: `${(cell.row / heat.rows.length) * 100}%`,
    height: `${100 / heat.rows.length}%`,
  };
  return <span className={styles.mark} style={style} />;
}

function Scale({ most }: { most: number }) {
  return (
    <span className={styles.scale}>
      fewer
      {DEPTHS.map((name) => (
        <span key={name} className={styles.swatch} style={{ background: `var(--${name})` }} />
      ))}
      more calls, up to {exact(most)}
    </span>
  );
}

function cellAt(event: PointerEvent, box: HTMLElement | null, heat: Heat): Cell | null {
  if (!box || heat.rows.length === 0) return null;
  const { left, bottom, width, height } = box.getBoundingClientRect();
  const span = spanAt(heat, (event.clientX - left) / width);
  const row = Math.floor(((bottom - event.clientY) / height) * heat.rows.length);
  return span !== null && heat.rows[row] ? { span, row } : null;
}

const STEPS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

function step(key: string, cell: Cell | null, heat: Heat): Cell | null {
  const by = STEPS[key];
  if (!by || heat.rows.length === 0) return null;
  if (!cell) return { span: heat.spans.length - 1, row: busiestRow(heat) };
  const clamp = (value: number, length: number) => Math.min(length - 1, Math.max(0, value));
  return {
    span: clamp(cell.span + by[0], heat.spans.length),
    row: clamp(cell.row + by[1], heat.rows.length),
  };
}

const totalOf = (heat: Heat, row: number): number =>
  heat.counts.reduce((sum, column) => sum + (column[row] ?? 0), 0);

function busiestRow(heat: Heat): number {
  const totals = heat.rows.map((_, row) => totalOf(heat, row));
  return totals.indexOf(Math.max(...totals));
}

const classOf = ({ fromMs, toMs }: HeatRow): string =>
  toMs === null ? `over ${duration(fromMs)}` : `${duration(fromMs)} to ${duration(toMs)}`;

function textOf(cell: Cell, heat: Heat): string {
  const span = heat.spans[cell.span];
  const row = heat.rows[cell.row];
  if (!span || !row) return "";
  const calls = plural(heat.counts[cell.span]?.[cell.row] ?? 0, "call");
  return `${momentOf(span.from_unix_ms)} – ${clock(span.to_unix_ms)}: ${calls} of ${classOf(row)}`;
}

function summaryOf(heat: Heat): string {
  const row = heat.rows[busiestRow(heat)];
  const slowest = heat.rows.at(-1);
  if (!row || !slowest) return "Nothing ran.";
  return `Most calls took ${classOf(row)}, the slowest ${classOf(slowest)}.`;
}

const momentOf = (unixMs: number): string =>
  Date.now() - unixMs > 43_200_000 ? dayClock(unixMs) : clock(unixMs);

/** Every so many bounds, at most eight. */
function ticksOf(rows: readonly HeatRow[]): { text: string; at: number }[] {
  const every = Math.ceil(rows.length / 8);
  return rows.flatMap((row, index) =>
    index % every === 0 ? [{ text: duration(row.fromMs), at: index / rows.length }] : [],
  );
}

function timesOf({ fromUnixMs: first, toUnixMs: last }: Heat): string[] {
  const write = last - first > 86_400_000 ? dayClock : shortClock;
  return [...new Set([0, 0.25, 0.5, 0.75, 1].map((part) => write(first + (last - first) * part)))];
}
