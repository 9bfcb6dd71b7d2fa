// How fast totals grow, from two answers one after the other.
import { useEffect, useState } from "react";
import type { CacheStatistics } from "./types";

interface Mark {
  atMs: number;
  lookups: number;
  savedUs: number;
}

export interface Rates {
  lookups: number;
  savedMs: number;
}

/** Between these marks; null where the counts began anew or too little time has passed. */
export function ratesOf(before: Mark, after: Mark): Rates | null {
  const seconds = (after.atMs - before.atMs) / 1000;
  if (seconds < 0.5 || after.lookups < before.lookups) return null;
  return {
    lookups: (after.lookups - before.lookups) / seconds,
    savedMs: (after.savedUs - before.savedUs) / 1000 / seconds,
  };
}

/** Over the last ten seconds at most. */
export function useRates(total: CacheStatistics): Rates | null {
  const [marks, setMarks] = useState<readonly Mark[]>([]);
  const { lookups_total, saved_us_total } = total;
  useEffect(() => {
    const mark = { atMs: Date.now(), lookups: lookups_total, savedUs: saved_us_total };
    setMarks((before) => {
      const last = before.at(-1);
      const kept = last && last.lookups > mark.lookups ? [] : before;
      return [...kept.filter((one) => mark.atMs - one.atMs < 10_000), mark];
    });
  }, [lookups_total, saved_us_total]);
  const [first, last] = [marks[0], marks.at(-1)];
  return first && last ? ratesOf(first, last) : null;
}
