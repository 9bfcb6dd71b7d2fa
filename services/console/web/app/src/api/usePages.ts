// A list that is read page by page as far as somebody looks; its beginning stays live.
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { api, pathWith } from "./client";
import { joinNewer, joinOlder, type PageOf } from "./pages";
import { asProblem, type Problem } from "./problem";
import { type ApiOptions, type ApiState, useApi } from "./useApi";

interface Raw {
  next: string | null;
}

interface PagesOptions<Answer extends Raw, Row> extends Omit<ApiOptions, "scoped"> {
  /** The rows of an answer. */
  rowsOf: (answer: Answer) => readonly Row[];
  keyOf: (row: Row) => string;
}

export interface Pages<Row> {
  /** For `Loaded`: the rows read so far. */
  state: ApiState<readonly Row[]>;
  hasMore: boolean;
  isReading: boolean;
  /** Why the next page could not be read. */
  problem: Problem | null;
  more: () => void;
}

/** `path` has to hold all of the question, the project too: another path is another list. */
export function usePages<Answer extends Raw, Row>(
  path: string | null,
  options: PagesOptions<Answer, Row>,
): Pages<Row> {
  const first = useApi<Answer>(path, options);
  const [known, setKnown] = useState<{ path: string | null; page: PageOf<Row> }>();
  const [reading, setReading] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });

  useEffect(() => {
    if (!first.data) return;
    const newer = { rows: latest.current.rowsOf(first.data), next: first.data.next };
    setKnown((before) =>
      before?.path === path
        ? { path, page: joinNewer(newer, before.page, latest.current.keyOf) }
        : { path, page: newer },
    );
  }, [first.data, path]);

  const page = known?.path === path ? known.page : undefined;
  const next = page?.next ?? null;
  const more = useCallback(() => {
    if (path === null || next === null) return;
    setReading(path);
    setProblem(null);
    api
      .get<Answer>(pathWith(path, { page: next }))
      .then((answer) => {
        const older = { rows: latest.current.rowsOf(answer), next: answer.next };
        setKnown((before) =>
          before?.path === path && before.page.next === next
            ? { path, page: joinOlder(before.page, older, latest.current.keyOf) }
            : before,
        );
      })
      .catch((thrown: unknown) => setProblem(asProblem(thrown)))
      .finally(() => setReading(null));
  }, [path, next]);

  const state = useMemo(() => ({ ...first, data: page?.rows }), [first, page]);
  return { state, hasMore: next !== null, isReading: reading === path && reading !== null, problem, more };
}
