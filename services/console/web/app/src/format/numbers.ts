// Numbers as people read them: few digits, a unit, a no-break space between. Pure.

const NBSP = "\u00a0";

/** A number and its unit apart, for places that set them in different sizes. */
export interface Figure {
  value: string;
  unit: string;
}

export const NONE: Figure = { value: "–", unit: "" };

export const join = (figure: Figure): string =>
  figure.unit === "" ? figure.value : `${figure.value}${NBSP}${figure.unit}`;

/** Three digits that count: 1.23, 12.3, 123. */
function digits(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 99.95) return value.toFixed(0);
  if (size >= 9.995) return trim(value.toFixed(1));
  return trim(value.toFixed(2));
}

const trim = (text: string): string => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

const known = (value: number | null | undefined): value is number =>
  typeof value === "number" && Number.isFinite(value);

export function durationFigure(ms: number | null | undefined): Figure {
  if (!known(ms)) return NONE;
  const size = Math.abs(ms);
  if (size === 0) return { value: "0", unit: "ms" };
  if (size < 0.9995) return { value: digits(ms * 1000), unit: "µs" };
  if (size < 999.5) return { value: digits(ms), unit: "ms" };
  if (size < 59_950) return { value: digits(ms / 1000), unit: "s" };
  return { value: longDuration(ms / 1000), unit: "" };
}

/** Two units at most: `2 min 5 s`, `3 h 12 min`, `4 d 2 h`. */
function longDuration(seconds: number): string {
  const whole = Math.round(Math.abs(seconds));
  const sign = seconds < 0 ? "−" : "";
  const steps: [number, string, number, string][] = [
    [86_400, "d", 3600, "h"],
    [3600, "h", 60, "min"],
    [60, "min", 1, "s"],
  ];
  for (const [large, largeUnit, small, smallUnit] of steps) {
    if (whole < large) continue;
    const rest = Math.floor((whole % large) / small);
    const tail = rest === 0 ? "" : ` ${rest}${NBSP}${smallUnit}`;
    return `${sign}${Math.floor(whole / large)}${NBSP}${largeUnit}${tail}`;
  }
  return `${sign}${whole}${NBSP}s`;
}

export const duration = (ms: number | null | undefined): string => join(durationFigure(ms));

function scaled(value: number, step: number, units: string[]): Figure {
  let size = value;
  let index = 0;
  while (Math.abs(size) >= step * 0.9995 && index < units.length - 1) {
    size /= step;
    index += 1;
  }
  return { value: digits(size), unit: units[index] ?? "" };
}

export function countFigure(value: number | null | undefined): Figure {
  if (!known(value)) return NONE;
  return scaled(value, 1000, ["", "k", "M", "G", "T"]);
}

/** 999, 1.2 k, 3.45 M. */
export const count = (value: number | null | undefined): string => join(countFigure(value));

/** Made once, for a table writes hundreds of numbers at a time. */
const groups = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 2 });

/** Every digit, in groups of three: 12,345,678. */
export const exact = (value: number | null | undefined): string =>
  known(value) ? groups.format(value) : NONE.value;

export function rateFigure(perSecond: number | null | undefined): Figure {
  if (!known(perSecond)) return NONE;
  const figure = countFigure(perSecond);
  return { value: figure.value, unit: `${figure.unit}/s` };
}

/** 12.3 /s, 1.2 k/s. */
export const rate = (perSecond: number | null | undefined): string => join(rateFigure(perSecond));

export function bytesFigure(value: number | null | undefined): Figure {
  if (!known(value)) return NONE;
  return scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
}

export const bytes = (value: number | null | undefined): string => join(bytesFigure(value));

export function ratioFigure(part: number | null | undefined): Figure {
  if (!known(part)) return NONE;
  const percent = part * 100;
  // What is not quite all, or not quite nothing, is never rounded to it.
  if (percent < 100 && percent >= 99.95) return { value: "> 99.9", unit: "%" };
  if (percent > 0 && percent < 0.05) return { value: "< 0.1", unit: "%" };
  return { value: Math.abs(percent) >= 99.95 ? percent.toFixed(0) : trim(percent.toFixed(1)), unit: "%" };
}

/** A part of one as percent: 0.973 → 97.3 %. */
export const ratio = (part: number | null | undefined): string => join(ratioFigure(part));

export const plural = (value: number, one: string, many = `${one}s`): string =>
  `${exact(value)}${NBSP}${value === 1 ? one : many}`;

/** A word of the protocol for people: `half_open` → `half open`. */
export const words = (name: string): string => name.replaceAll("_", " ");
