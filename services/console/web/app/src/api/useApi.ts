// What a page knows of an answer: old data while new is fetched, polling while it is looked at, live refetching.
import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { pathWith } from "./client";
import { listen } from "./live";
import type { Problem } from "./problem";
import { Resource, resourceOf } from "./resource";
import { useProject } from "./session";

export interface ApiOptions {
  /** Seconds between two times of asking, while the tab is visible. Without: once, and on events. */
  every?: number;
  /** Events that make the answer old, such as `["job"]`. After a `gap` it is asked for in any case. */
  on?: readonly string[];
  /** Whether the call takes `?project=`: the project chosen in the header is added. */
  scoped?: boolean;
  /** Shows the answer of the path before until that of a new one is there: for filters. */
  keep?: boolean;
  /** How long an answer is waited for. Without: 20 s. */
  timeoutMs?: number;
}

export interface ApiState<T> {
  data: T | undefined;
  /** Why the last attempt failed. With data: the data is old. */
  problem: Problem | null;
  isLoading: boolean;
  atUnixMs: number;
  reload: () => void;
}

const NEVER = new Resource("");
/** Several events at once make one call. */
const GATHER_MS = 150;

/** Asks GET `path` and keeps it true. `null`: not yet. */
export function useApi<T>(path: string | null, options: ApiOptions = {}): ApiState<T> {
  const { every, on, scoped, keep, timeoutMs } = options;
  const project = useProject();
  const full = path !== null && scoped ? pathWith(path, { project }) : path;
  const resource = useMemo(() => (full === null ? NEVER : resourceOf(full)), [full]);
  const snapshot = useSyncExternalStore(resource.subscribe, () => resource.snapshot);
  const events = (on ?? []).join(" ");

  useEffect(() => {
    if (resource === NEVER) return;
    if (timeoutMs) resource.timeoutMs = timeoutMs;
    void resource.load();
  }, [resource, timeoutMs]);

  useEffect(
    () => (resource === NEVER || !every ? undefined : poll(resource, every * 1000)),
    [resource, every],
  );

  useEffect(
    () => (resource === NEVER ? undefined : follow(resource, [...events.split(" "), "gap"])),
    [resource, events],
  );

  const reload = useCallback(() => {
    if (resource !== NEVER) void resource.load(true);
  }, [resource]);

  const before = useRef<unknown>(undefined);
  if (snapshot.data !== undefined) before.current = snapshot.data;
  const data = snapshot.data ?? (keep && !snapshot.problem ? before.current : undefined);
  return { ...snapshot, data: data as T | undefined, reload };
}

/** Asks every so often while the tab is looked at, and at once when it is looked at again after longer. */
function poll(resource: Resource, everyMs: number): () => void {
  let timer: ReturnType<typeof setTimeout>;
  let askedAt = Date.now();
  const ask = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, everyMs);
    if (document.visibilityState !== "visible") return;
    askedAt = Date.now();
    void resource.load();
  };
  timer = setTimeout(ask, everyMs);
  const look = () => {
    if (document.visibilityState === "visible" && Date.now() - askedAt >= everyMs) ask();
  };
  document.addEventListener("visibilitychange", look);
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
}

function follow(resource: Resource, kinds: string[]): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = listen(
    kinds.filter((kind) => kind !== ""),
    () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        void resource.load(true);
      }, GATHER_MS);
    },
  );
  return () => {
    clearTimeout(timer);
    stop();
  };
}
