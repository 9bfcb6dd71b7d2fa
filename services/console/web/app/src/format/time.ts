// Moments as people read them, in the viewer's time zone. Pure but for the zone. 0 means never.

const NBSP = "\u00a0";
const LOCALE = "en-GB";

const format = (options: Intl.DateTimeFormatOptions) => {
  const made = new Intl.DateTimeFormat(LOCALE, options);
  return (unixMs: number) => made.format(unixMs);
};

const clockOf = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const shortClockOf = format({ hour: "2-digit", minute: "2-digit" });
const dayOf = format({ day: "numeric", month: "short" });
const fullOf = format({
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZoneName: "short",
});

/** 14:03:27 */
export const clock = (unixMs: number): string => clockOf(unixMs);
/** 14:03 */
export const shortClock = (unixMs: number): string => shortClockOf(unixMs);
/** 30 Nov */
export const day = (unixMs: number): string => dayOf(unixMs);
/** 30 Nov 2026, 14:03:27 CET */
export const full = (unixMs: number): string => (unixMs === 0 ? "never" : fullOf(unixMs));
/** 30 Nov, 14:03 */
export const dayClock = (unixMs: number): string => `${dayOf(unixMs)}, ${shortClockOf(unixMs)}`;

const STEPS: [number, number, string][] = [
  [60, 1, "s"],
  [3600, 60, "min"],
  [86_400, 3600, "h"],
  [30 * 86_400, 86_400, "d"],
];

/** `just now`, `12 s ago`, `3 min ago`, `in 2 h`; a date where it is more than a month away; `never` for 0. */
export function relative(unixMs: number, nowUnixMs: number): string {
  if (unixMs === 0) return "never";
  const seconds = Math.round((nowUnixMs - unixMs) / 1000);
  const size = Math.abs(seconds);
  if (size < 2) return "just now";
  for (const [below, unitSeconds, unit] of STEPS) {
    if (size >= below) continue;
    const text = `${Math.floor(size / unitSeconds)}${NBSP}${unit}`;
    return seconds >= 0 ? `${text} ago` : `in ${text}`;
  }
  return dayOf(unixMs);
}
