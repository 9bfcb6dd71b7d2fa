// How fast something goes and when it ends, from how far it was at some moments. Pure.

export interface Mark {
  atUnixMs: number;
  done: number;
}

export interface Pace {
  perSecond: number;
  /** null: it does not move. */
  remainingMs: number | null;
}

/** Marks older than that say nothing of the present pace. */
const WINDOW_MS = 30_000;

/** Adds a mark; what is too old is dropped, and everything where it went backwards: it has begun anew. */
export function addMark(marks: readonly Mark[], mark: Mark): Mark[] {
  const last = marks.at(-1);
  if (last && mark.done < last.done) return [mark];
  const kept = marks.filter((one) => mark.atUnixMs - one.atUnixMs <= WINDOW_MS);
  if (last && last.done === mark.done && kept.length > 1) return kept;
  return [...kept, mark];
}

export function paceOf(marks: readonly Mark[], total: number, nowUnixMs: number): Pace | null {
  const first = marks[0];
  const last = marks.at(-1);
  if (!first || !last || last.atUnixMs - first.atUnixMs < 500) return null;
  const spanMs = Math.max(last.atUnixMs, Math.min(nowUnixMs, last.atUnixMs + WINDOW_MS)) - first.atUnixMs;
  const perSecond = ((last.done - first.done) / spanMs) * 1000;
  const left = total - last.done;
  return { perSecond, remainingMs: perSecond > 0 && total > 0 ? (left / perSecond) * 1000 : null };
}
