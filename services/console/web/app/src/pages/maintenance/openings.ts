// Maintenance windows in a week as the viewer's clock has it, whatever zone they are meant in. Pure but for the viewer's zone.
import type { MaintenanceWindow, Weekday } from "./types";

export interface Opening {
  name: string;
  fromUnixMs: number;
  toUnixMs: number;
}

/** A part of an opening within one day of the viewer. */
export interface Block {
  name: string;
  /** 0: the first day of the week. */
  day: number;
  fromMinute: number;
  toMinute: number;
  fromUnixMs: number;
  toUnixMs: number;
}

const DAYS: Weekday[] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const DAY_MS = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known) return known;
  const made = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  formats.set(zone, made);
  return made;
}

/** What clocks of a zone show at a moment, as if it were UTC. */
export function wallAt(unixMs: number, zone: string): number {
  const part: Record<string, number> = {};
  for (const { type, value } of formatOf(zone).formatToParts(unixMs)) part[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** The moment at which clocks of a zone show this. Where they skip it, the moment of the jump or shortly after. */
export function momentOf(wall: number, zone: string): number {
  const guess = wall - (wallAt(wall, zone) - wall);
  const offset = wallAt(guess, zone) - guess;
  return wall - offset;
}

/** Midnight before the Monday of the week of a moment, on the viewer's clock. */
export function weekStart(unixMs: number, zone: string): number {
  const wall = wallAt(unixMs, zone);
  const midnight = wall - (wall % DAY_MS);
  const weekday = (new Date(midnight).getUTCDay() + 6) % 7;
  return momentOf(midnight - weekday * DAY_MS, zone);
}

/** The moments at which the seven days of a week begin, and the one at which it ends. */
export function dayStarts(weekStartUnixMs: number, zone: string): number[] {
  const wall = wallAt(weekStartUnixMs, zone);
  return Array.from({ length: 8 }, (_, day) => momentOf(wall + day * DAY_MS, zone));
}

const minutesOf = (clock: string): number => {
  const [hours = 0, minutes = 0] = clock.split(":").map(Number);
  return hours * 60 + minutes;
};

/** The zone of the viewer's clock. */
export const zoneOfViewer = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Every opening of a window that reaches into a span of time. */
export function openingsOf(window: MaintenanceWindow, fromUnixMs: number, toUnixMs: number): Opening[] {
  const zone = window.time_zone || "UTC";
  const [start, end] = [minutesOf(window.start), minutesOf(window.end)];
  const lastsMinutes = end > start ? end - start : end + 1440 - start;
  const found: Opening[] = [];
  const first = wallAt(fromUnixMs, zone);
  const last = wallAt(toUnixMs, zone);
  for (let day = first - (first % DAY_MS) - DAY_MS; day <= last; day += DAY_MS) {
    if (!opensOn(window, new Date(day).getUTCDay())) continue;
    const opens = momentOf(day + start * 60_000, zone);
    const closes = momentOf(day + (start + lastsMinutes) * 60_000, zone);
    if (closes > fromUnixMs && opens < toUnixMs)
      found.push({ name: window.name, fromUnixMs: opens, toUnixMs: closes });
  }
  return found;
}

const opensOn = (window: MaintenanceWindow, utcDay: number): boolean => {
  const day = DAYS[utcDay];
  return window.weekdays.length === 0 || (day !== undefined && window.weekdays.includes(day));
};

/** The openings of a week, cut at the viewer's midnights. */
export function blocksOf(
  windows: readonly MaintenanceWindow[],
  weekStartUnixMs: number,
  zone: string,
): Block[] {
  const starts = dayStarts(weekStartUnixMs, zone);
  const end = starts[7] ?? weekStartUnixMs;
  const openings = windows.flatMap((window) => openingsOf(window, weekStartUnixMs, end));
  return openings.flatMap((opening) => cut(opening, starts, zone));
}

function cut(opening: Opening, starts: readonly number[], zone: string): Block[] {
  const blocks: Block[] = [];
  for (let day = 0; day < 7; day += 1) {
    const [from, to] = [starts[day] ?? 0, starts[day + 1] ?? 0];
    const begins = Math.max(opening.fromUnixMs, from);
    const ends = Math.min(opening.toUnixMs, to);
    if (begins >= ends) continue;
    const midnight = wallAt(from, zone);
    blocks.push({
      name: opening.name,
      day,
      fromMinute: (wallAt(begins, zone) - midnight) / 60_000,
      toMinute: ends === to ? 1440 : (wallAt(ends, zone) - midnight) / 60_000,
      fromUnixMs: opening.fromUnixMs,
      toUnixMs: opening.toUnixMs,
    });
  }
  return blocks;
}
