// What is heard: events of some kinds, the figures of each second, and how the line is.
import { useEffect, useRef, useSyncExternalStore } from "react";
import { useWeir } from "./provider.js";
import type { Connection, LiveHandler } from "./stream.js";
import type { Figures } from "./types.js";

/**
 * Calls the handler with events of these kinds while the component is there: whole (`alert.firing`) or by their first
 * word (`alert`). After `gap` events are missing: read again what they told of.
 */
export function useLiveEvents(kinds: readonly string[], handler: LiveHandler): Connection {
  const { stream } = useWeir();
  const latest = useRef(handler);
  useEffect(() => {
    latest.current = handler;
  });
  const key = kinds.join(" ");
  useEffect(() => stream.listen(key.split(" "), (event) => latest.current(event)), [stream, key]);
  return useConnection();
}

export function useConnection(): Connection {
  const { stream } = useWeir();
  const now = () => stream.connection;
  return useSyncExternalStore(stream.watch, now, now);
}

/** The figures of this second; null until the first came. */
export function useFigures(): Figures | null {
  const { stream } = useWeir();
  const now = () => stream.figures;
  return useSyncExternalStore(stream.watch, now, now);
}
