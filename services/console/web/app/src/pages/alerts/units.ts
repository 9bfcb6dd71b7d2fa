// Figures of rules in their units: the last word of a metric's name says which. Pure.
import { bytes, count, duration, exact, ratio } from "@/format";

const NBSP = "\u00a0";

type Write = (value: number) => string;

const UNITS: Record<string, Write> = {
  ms: duration,
  seconds: (value) => duration(value * 1000),
  hours: (value) => duration(value * 3_600_000),
  days: (value) => duration(value * 86_400_000),
  ratio,
  fall: ratio,
  bytes,
  hour: (value) => `${count(value)}${NBSP}/h`,
  burn: (value) => `${count(value)}${NBSP}×`,
};

const unitOf = (metric: string): string => metric.split(/[._]/).at(-1) ?? "";

/** A value as the rule's metric means it. Without a metric: the bare number. */
export function figureOf(metric: string | null | undefined, value: number): string {
  return (UNITS[unitOf(metric ?? "")] ?? exact)(value);
}

const FIELD_UNITS: Record<string, string> = {
  ms: "ms",
  seconds: "s",
  hours: "h",
  days: "days",
  ratio: "part of 1",
  fall: "part of 1",
  bytes: "bytes",
  hour: "an hour",
  burn: "times the budget",
};

/** The unit in which a bound is typed. */
export const fieldUnitOf = (metric: string | null): string => FIELD_UNITS[unitOf(metric ?? "")] ?? "";

const STEPS: [string, number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
];

/** `5m`, `90s`, `1h30m` in milliseconds; null where it is none. */
export function readSpan(text: string): number | null {
  const compact = text.replaceAll(/\s/g, "").toLowerCase().replaceAll("min", "m");
  if (compact === "0") return 0;
  if (!/^(\d+(\.\d+)?(ms|d|h|m|s))+$/.test(compact)) return null;
  let sum = 0;
  for (const [, amount = "0", unit] of compact.matchAll(/(\d+(?:\.\d+)?)(ms|d|h|m|s)/g)) {
    sum += Number(amount) * (STEPS.find(([name]) => name === unit)?.[1] ?? 0);
  }
  return Math.round(sum);
}

/** Milliseconds as they are typed: `1h30m`. */
export function writeSpan(ms: number): string {
  let left = ms;
  let text = "";
  for (const [unit, size] of STEPS) {
    const amount = Math.floor(left / size);
    if (amount > 0) text += `${amount}${unit}`;
    left -= amount * size;
  }
  return text || "0s";
}

/** A number as typed; null for none, NaN for what is no number. */
export function readBound(text: string): number | null {
  const trimmed = text.trim().replace(",", ".");
  return trimmed === "" ? null : Number(trimmed);
}
