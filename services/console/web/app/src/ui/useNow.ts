// One clock for all of the page: components that show relative times follow it together.
import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const one of listeners) one();
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

function present(): number {
  if (listeners.size === 0) now = Math.floor(Date.now() / 1000) * 1000;
  return now;
}

/** The present moment, by the second. */
export const useNow = (): number => useSyncExternalStore(subscribe, present);

/** What is made of the present moment. Only when that changes is its component rendered again. */
export const useNowAs = <Value extends number | string>(of: (nowUnixMs: number) => Value): Value =>
  useSyncExternalStore(subscribe, () => of(present()));
