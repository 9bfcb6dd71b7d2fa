// From what a page says of a chart to what uPlot is told: colours of the theme, axes with units, spans of time.
import uPlot from "uplot";
import { clock, dayClock, shortClock } from "@/format";
import { token } from "./theme";

export interface Series {
  label: string;
  /** A design token, such as `series-1`. */
  color: string;
  /** `line` if nothing is said. */
  kind?: "line" | "area" | "bars";
  /** Dashes, for bounds and expectations. */
  dashed?: boolean;
}

/** A moment on the axis of time: an alert, a change of plan; or a span, which is shaded: a job. */
export interface Marker {
  atUnixMs: number;
  /** Where it ends, for a span. */
  untilUnixMs?: number;
  label: string;
  color: string;
}

export interface ChartSpec {
  series: readonly Series[];
  format: (value: number | null) => string;
  markers: readonly Marker[];
  syncKey: string | undefined;
  min: number | undefined;
  max: number | undefined;
  fromUnixMs: number | undefined;
  toUnixMs: number | undefined;
  spanMs: number | undefined;
}

const alpha = (color: string, part: number): string =>
  `color-mix(in srgb, ${color} ${part * 100}%, transparent)`;

function seriesOf(series: Series): uPlot.Series {
  const color = token(series.color);
  const base: uPlot.Series = {
    label: series.label,
    stroke: color,
    width: 1.75,
    points: { show: false },
    dash: series.dashed ? [6, 5] : undefined,
    spanGaps: false,
  };
  if (series.kind === "area") return { ...base, fill: alpha(color, 0.16) };
  if (series.kind === "bars") {
    return {
      ...base,
      width: 0,
      fill: color,
      paths: uPlot.paths.bars?.({ size: [0.8, 24, 1], radius: 0.15 }),
    };
  }
  return base;
}

const axisBase = (): uPlot.Axis => ({
  stroke: token("ink-3"),
  font: `11px ${token("font")}`,
  grid: { stroke: token("grid"), width: 1 },
  ticks: { show: false },
});

/** Ticks of time: seconds where the span is short, the day where it is long. */
function timeLabels(_: uPlot, splits: number[]): string[] {
  const span = ((splits.at(-1) ?? 0) - (splits[0] ?? 0)) * 1000;
  const step = splits.length > 1 ? span / (splits.length - 1) : span;
  return splits.map((at) => {
    if (step < 60_000) return clock(at * 1000);
    return span > 86_400_000 ? dayClock(at * 1000) : shortClock(at * 1000);
  });
}

export function optionsOf(
  spec: ChartSpec,
  width: number,
  height: number,
  onCursor: (plot: uPlot) => void,
): uPlot.Options {
  return {
    width,
    height,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      points: { size: 7, width: 2 },
      drag: { x: false, y: false },
      ...(spec.syncKey ? { sync: { key: spec.syncKey } } : {}),
    },
    scales: { x: { time: true, range: rangeOfTime(spec) }, y: { range: rangeOf(spec) } },
    axes: [
      { ...axisBase(), values: timeLabels, space: 72, size: 28, grid: { show: false } },
      {
        ...axisBase(),
        values: (_, splits) => splits.map((value) => spec.format(value)),
        size: (_, values) => Math.max(36, ...(values ?? []).map((text) => 12 + text.length * 6.2)),
        space: 36,
      },
    ],
    series: [{}, ...spec.series.map(seriesOf)],
    hooks: { setCursor: [onCursor], draw: [(plot) => drawMarkers(plot, spec.markers)] },
  };
}

const SPAN_LEAST_S = 60;

const rangeOfTime =
  (spec: ChartSpec): uPlot.Range.Function =>
  (_, low, high) => {
    const to = spec.toUnixMs !== undefined ? spec.toUnixMs / 1000 : high;
    if (spec.spanMs !== undefined) return [to - spec.spanMs / 1000, to];
    const from = spec.fromUnixMs !== undefined ? spec.fromUnixMs / 1000 : low;
    // One point alone would be the middle of years.
    return to - from < SPAN_LEAST_S ? [to - SPAN_LEAST_S, to] : [from, to];
  };

/** From zero, with some air above; never a range of nothing. */
const rangeOf =
  (spec: ChartSpec): uPlot.Range.Function =>
  (_, low, high) => {
    const bottom = spec.min ?? Math.min(0, low ?? 0);
    const top = spec.max ?? (high ?? 0) * 1.12;
    return [bottom, top > bottom ? top : bottom + 1];
  };

function drawMarkers(plot: uPlot, markers: readonly Marker[]): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.lineWidth = ratio;
  ctx.setLineDash([3 * ratio, 3 * ratio]);
  for (const marker of markers) {
    const at = plot.valToPos(marker.atUnixMs / 1000, "x", true);
    // A span that began before the chart does begins at its edge.
    const x = marker.untilUnixMs === undefined ? at : Math.max(at, bbox.left);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = token(marker.color);
    if (marker.untilUnixMs !== undefined) shade(plot, x, marker);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

function shade({ ctx, bbox, valToPos }: uPlot, from: number, { untilUnixMs = 0, color }: Marker): void {
  const to = Math.min(valToPos(untilUnixMs / 1000, "x", true), bbox.left + bbox.width);
  if (to <= from) return;
  ctx.fillStyle = alpha(token(color), 0.14);
  ctx.fillRect(from, bbox.top, to - from, bbox.height);
}
