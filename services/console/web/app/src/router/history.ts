// The address bar as a store: where we are, going elsewhere, and where each entry was scrolled to.
import { useSyncExternalStore } from "react";
import { withQuery } from "./match";

export interface Place {
  path: string;
  search: string;
  /** Identifies the entry of the history, so that its scroll position is found again. */
  key: string;
}

interface EntryState {
  key?: string;
}

const listeners = new Set<() => void>();
const scrolled = new Map<string, number>();
let made = 0;
const session = Math.random().toString(36).slice(2, 8);
let place: Place = { path: "/", search: "", key: "0" };
/** Whether the reader came here by Back or Forward; a new page begins at its top. */
let returned = false;

const read = (): Place => ({
  path: location.pathname,
  search: location.search,
  key: (history.state as EntryState | null)?.key ?? "0",
});

function tell(): void {
  place = read();
  for (const listener of listeners) listener();
}

export function startHistory(): void {
  history.scrollRestoration = "manual";
  place = read();
  addEventListener("popstate", () => {
    keepScroll();
    returned = true;
    tell();
  });
}

function keepScroll(): void {
  scrolled.set(place.key, scrollY);
}

/** Where the present entry was scrolled to when it was left; 0 for one that is new. */
export const scrollBefore = (): number => (returned ? (scrolled.get(place.key) ?? 0) : 0);

export function navigate(to: string, options: { replace?: boolean } = {}): void {
  keepScroll();
  returned = false;
  made += 1;
  if (options.replace) history.replaceState({ key: place.key }, "", to);
  else history.pushState({ key: `${session}-${made}` }, "", to);
  tell();
}

/** Changes the query string in place: filters are no steps of the history. */
export function setQuery(changes: Record<string, string | null>): void {
  history.replaceState(
    history.state,
    "",
    location.pathname + withQuery(location.search, changes) + location.hash,
  );
  tell();
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const usePlace = (): Place => useSyncExternalStore(subscribe, () => place);

/** One value of the query string, and how to set it. `null` or the default takes it out of the address. */
export function useQueryState(name: string, initial = ""): [string, (value: string) => void] {
  const { search } = usePlace();
  const value = new URLSearchParams(search).get(name) ?? initial;
  return [value, (next) => setQuery({ [name]: next === initial ? null : next })];
}
