// Charts over time, on uPlot: themed, resized, decimated, with a legend and a table in text.
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clock, dayClock } from "@/format";
import styles from "./Chart.module.css";
import { ChartTable } from "./ChartTable";
import { type Marker, optionsOf, type Series } from "./chartOptions";
import { type Column, decimate, placeOf } from "./decimate";
import { Icon } from "./Icon";
import { useTheme } from "./theme";

export type { Marker, Series } from "./chartOptions";

interface ChartProps {
  /** What it shows, for those who hear the page and above the table. */
  label: string;
  /** `[moments in Unix milliseconds, values of series 1, values of series 2, …]`, in order of time. null: a gap. */
  data: readonly Column[];
  series: readonly Series[];
  format: (value: number | null) => string;
  height?: number;
  /** Charts with the same key share their cursor. */
  syncKey?: string;
  markers?: readonly Marker[];
  min?: number;
  max?: number;
  fromUnixMs?: number;
  toUnixMs?: number;
  /** Shows this much time before the last point, for charts that grow. */
  spanMs?: number;
}

const NO_MARKERS: readonly Marker[] = [];

export function Chart(props: ChartProps) {
  const { label, data, series, format, height = 220, markers = NO_MARKERS } = props;
  const [isTable, setTable] = useState(false);
  const [at, setAt] = useState<number | null>(null);
  const id = useId();
  const shownAt = at ?? lastIndex(data);
  // It looks at every point, and a hovered chart is rendered with every move.
  const said = useMemo(() => summary(data, series, format), [data, series, format]);
  return (
    <figure className={styles.chart} aria-labelledby={id}>
      <figcaption id={id} className="sr-only">
        {label}. {said}
      </figcaption>
      <div className={styles.top}>
        <ul className={styles.legend}>
          {series.map((one, index) => (
            <li key={one.label}>
              <span
                className={styles.key}
                data-dashed={one.dashed || undefined}
                style={{ color: `var(--${one.color})` }}
                aria-hidden="true"
              />
              {one.label} <b>{format(data[index + 1]?.[shownAt] ?? null)}</b>
            </li>
          ))}
          {markers.length > 0 && <MarkerKeys markers={markers} />}
        </ul>
        <button
          type="button"
          className={styles.toggle}
          aria-pressed={isTable}
          onClick={() => setTable(!isTable)}
        >
          <Icon name={isTable ? "chart" : "table"} size={16} />
          <span className="sr-only">Show as a table: {label}</span>
        </button>
      </div>
      {isTable ? (
        <ChartTable label={label} data={data} series={series} format={format} height={height} />
      ) : (
        <Plot {...props} height={height} markers={markers} onIndex={setAt} />
      )}
    </figure>
  );
}

const lastIndex = (data: readonly Column[]): number => (data[0]?.length ?? 0) - 1;

/** One sentence for each series: now, lowest, highest. */
function summary(data: readonly Column[], series: readonly Series[], format: ChartProps["format"]): string {
  return series
    .map((one, index) => {
      const values = (data[index + 1] ?? []).filter((value) => value !== null);
      if (values.length === 0) return `${one.label}: nothing yet.`;
      let [low, high] = [Infinity, -Infinity];
      for (const value of values) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
      return `${one.label}: now ${format(values.at(-1) ?? null)}, from ${format(low)} to ${format(high)}.`;
    })
    .join(" ");
}

function MarkerKeys({ markers }: { markers: readonly Marker[] }) {
  const kinds = new Map(markers.map((marker) => [marker.color, marker.label.split(":")[0] ?? ""]));
  return [...kinds].map(([color, word]) => (
    <li key={color}>
      <span className={styles.markerKey} style={{ color: `var(--${color})` }} aria-hidden="true" />
      {word}
    </li>
  ));
}

type PlotProps = Required<Pick<ChartProps, "height" | "markers">> &
  ChartProps & { onIndex: (index: number | null) => void };

interface Tip {
  left: number;
  isLeft: boolean;
  index: number;
}

function Plot(props: PlotProps) {
  const { data, series, format, height, markers, syncKey, min, max, fromUnixMs, toUnixMs, spanMs, onIndex } =
    props;
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [width, setWidth] = useState(0);
  const [tip, setTip] = useState<Tip | null>(null);
  const theme = useTheme();
  const shown = useMemo(() => (width > 0 ? decimate(data, width) : data), [data, width]);
  const spec = { series, format, markers, syncKey, min, max, fromUnixMs, toUnixMs, spanMs };
  const latest = useRef({ data, shown, spec });
  latest.current = { data, shown, spec };

  useLayoutEffect(() => {
    const element = holder.current;
    if (!element) return;
    const watch = new ResizeObserver(() => setWidth(Math.floor(element.clientWidth)));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  const latestCursor = useRef(onIndex);
  latestCursor.current = onIndex;
  const look = JSON.stringify([series, markers, syncKey, min, max, fromUnixMs, toUnixMs, spanMs]);
  // A plot is made anew when its looks change, and only fed when its data does.
  useEffect(() => {
    void theme;
    void look;
    const element = holder.current;
    if (!element || width === 0) return;
    const onCursor = (made: uPlot) => {
      const { idx, left } = made.cursor;
      const isOut = idx === null || idx === undefined || left === undefined || left < 0;
      setTip(
        isOut
          ? null
          : {
              left: left + made.bbox.left / devicePixelRatio,
              isLeft: left > made.bbox.width / devicePixelRatio / 2,
              index: idx,
            },
      );
      latestCursor.current(isOut ? null : indexIn(latest.current.data, latest.current.shown, idx));
    };
    const spec = {
      ...latest.current.spec,
      format: (value: number | null) => latest.current.spec.format(value),
    };
    const made = new uPlot(
      optionsOf(spec, width, height, onCursor),
      inSeconds(latest.current.shown),
      element,
    );
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [look, width, height, theme]);

  useEffect(() => plot.current?.setData(inSeconds(shown)), [shown]);

  return (
    <div className={styles.plot} style={{ height }}>
      <div ref={holder} className={styles.holder} aria-hidden="true" />
      {tip && <Tooltip tip={tip} data={shown} series={series} format={format} markers={markers} />}
    </div>
  );
}

const inSeconds = (data: readonly Column[]): uPlot.AlignedData => {
  const [xs = [], ...ys] = data;
  return [xs.map((x) => (x ?? 0) / 1000), ...ys.map((column) => [...column])] as uPlot.AlignedData;
};

/** The index in the whole data of a point of the decimated. */
function indexIn(data: readonly Column[], shown: readonly Column[], index: number): number {
  return data === shown ? index : placeOf(data[0] ?? [], shown[0]?.[index] ?? 0);
}

interface TooltipProps extends Pick<ChartProps, "data" | "series" | "format"> {
  tip: Tip;
  markers: readonly Marker[];
}

function Tooltip({ tip, data, series, format, markers }: TooltipProps) {
  const at = data[0]?.[tip.index];
  if (at === null || at === undefined) return null;
  const xs = data[0] ?? [];
  const reach = ((xs.at(-1) ?? 0) - (xs[0] ?? 0)) / 80;
  const near = markers.filter((marker) => Math.abs(marker.atUnixMs - at) <= reach);
  const isOld = Date.now() - at > 86_400_000;
  return (
    <div
      className={styles.tip}
      style={{ left: tip.left, transform: `translateX(${tip.isLeft ? "calc(-100% - 12px)" : "12px"})` }}
      aria-hidden="true"
    >
      <div className={styles.tipTime}>{isOld ? dayClock(at) : clock(at)}</div>
      {series.map((one, index) => (
        <div key={one.label} className={styles.tipRow}>
          <span className={styles.key} style={{ color: `var(--${one.color})` }} />
          <span>{one.label}</span>
          <b>{format(data[index + 1]?.[tip.index] ?? null)}</b>
        </div>
      ))}
      {near.map((marker) => (
        <div key={marker.atUnixMs} className={styles.tipMark} style={{ color: `var(--${marker.color})` }}>
          {marker.label}
        </div>
      ))}
    </div>
  );
}
