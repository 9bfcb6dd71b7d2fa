// An answer of the console, kept true: polled while the page is looked at, asked for anew on events and after a gap.
import { useCallback, useEffect, useMemo, useSyncExternalStore } from "react";
import { filled, pathWith, type Query } from "./client.js";
import type { Problem } from "./problem.js";
import { useWeir } from "./provider.js";
import type { Resources } from "./resource.js";
import type { Stream } from "./stream.js";
import type { Answer, GetPath, IsScoped, ParamsOf, QueryOf } from "./types.js";

export interface AnswerOptions<Path extends GetPath> {
  query?: QueryOf<Path>;
  /** What stands in braces in the path. */
  params?: ParamsOf<Path>;
  /** Adds the provider's project to the query. */
  scoped?: IsScoped<Path>;
  /** Seconds between two times of asking, while the tab is visible. Without: once, on events, and after a gap. */
  every?: number;
  /** Events that make the answer old, whole or by their first word: `["alert", "job.failed"]`. */
  on?: readonly string[];
  /** false: not yet. */
  enabled?: boolean;
}

export interface AnswerState<Data> {
  data: Data | undefined;
  /** Why the last attempt failed. With data: the data is old. */
  problem: Problem | null;
  isLoading: boolean;
  /** When the data was last known to be true. 0: never. */
  atUnixMs: number;
  reload: () => void;
}

/** Several events at once make one call. */
const GATHER_MS = 150;
const IDLE = { data: undefined, problem: null, isLoading: false, atUnixMs: 0 };

/** Asks GET `path` and keeps the answer true. */
export function useAnswer<Path extends GetPath>(
  path: Path,
  options: AnswerOptions<Path> = {},
): AnswerState<Answer<Path>> {
  const { client, resources, stream } = useWeir();
  const { every, on, enabled = true, scoped, query, params } = options;
  const project = scoped ? client.project : undefined;
  const full = enabled
    ? pathWith(filled(path, params as Record<string, string> | undefined), {
        project,
        ...(query as Query | undefined),
      })
    : null;
  const events = ["gap", ...(on ?? [])].join(" ");

  const subscribe = useCallback(
    (looker: () => void) => (full === null ? () => undefined : resources.subscribe(full, looker)),
    [resources, full],
  );
  const now = () => (full === null ? IDLE : resources.snapshot(full));
  const snapshot = useSyncExternalStore(subscribe, now, now);

  useEffect(
    () => (full === null || !every ? undefined : poll(resources, full, every * 1000)),
    [resources, full, every],
  );
  useEffect(
    () => (full === null ? undefined : follow(stream, events.split(" "), () => resources.load(full, true))),
    [resources, stream, full, events],
  );

  const reload = useCallback(() => {
    if (full !== null) resources.load(full, true);
  }, [resources, full]);
  return useMemo(
    () => ({ ...snapshot, data: snapshot.data as Answer<Path> | undefined, reload }),
    [snapshot, reload],
  );
}

const isLookedAt = () => globalThis.document?.visibilityState !== "hidden";

/** Asks every so often while the tab is looked at, and at once when it is looked at again after longer. */
function poll(resources: Resources, path: string, everyMs: number): () => void {
  let timer: ReturnType<typeof setTimeout>;
  let askedAt = Date.now();
  const ask = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, everyMs);
    if (!isLookedAt()) return;
    askedAt = Date.now();
    resources.load(path);
  };
  timer = setTimeout(ask, everyMs);
  const look = () => {
    if (Date.now() - askedAt >= everyMs) ask();
  };
  globalThis.document?.addEventListener("visibilitychange", look);
  return () => {
    clearTimeout(timer);
    globalThis.document?.removeEventListener("visibilitychange", look);
  };
}

function follow(stream: Stream, kinds: readonly string[], ask: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = stream.listen(kinds, () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      ask();
    }, GATHER_MS);
  });
  return () => {
    clearTimeout(timer);
    stop();
  };
}
