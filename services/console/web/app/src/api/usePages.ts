// A list that is read page by page as far as somebody looks, and kept true.
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { api, pathWith } from "./client";
import { joinNewer, joinOlder, joinRanked, type PageOf } from "./pages";
import { asProblem, type Problem } from "./problem";
import { type ApiOptions, type ApiState, useApi } from "./useApi";

interface Raw {
  next: string | null;
}

interface PagesOptions<Answer extends Raw, Row> extends Omit<ApiOptions, "scoped"> {
  /** The rows of an answer. */
  rowsOf: (answer: Answer) => readonly Row[];
  keyOf: (row: Row) => string;
  /** Rows change, and change their places: whenever the beginning is read anew, so is the rest. Else it stays as it was. */
  ranked?: boolean;
  /** What makes it the same list where the path changes, such as a span of time that moves on. Without: the path. */
  listKey?: string;
}

export interface Pages<Row, Answer = unknown> {
  /** For `Loaded`: the rows read so far. */
  state: ApiState<readonly Row[]>;
  /** The newest answer with the beginning of the list. */
  answer: Answer | undefined;
  hasMore: boolean;
  isReading: boolean;
  /** Why the next page could not be read. */
  problem: Problem | null;
  more: () => void;
}

interface Known<Row> {
  key: string | null;
  page: PageOf<Row>;
  pages: number;
}

/** The rest of a ranked list is read anew at most so often. */
const REST_EVERY_MS = 4000;

/** `path` has to hold all of the question, the project too: another path is another list. */
export function usePages<Answer extends Raw, Row>(
  path: string | null,
  options: PagesOptions<Answer, Row>,
): Pages<Row, Answer> {
  const { keep, ranked = false, listKey = path } = options;
  const first = useApi<Answer>(path, { ...options, keep: false });
  const [known, setKnown] = useState<Known<Row>>();
  const [reading, setReading] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const latest = useRef(options);
  const now = useRef(known);
  const rest = useRef({ isRead: false, atMs: 0 });
  useEffect(() => {
    latest.current = options;
    now.current = known;
  });

  useEffect(() => {
    if (!first.data || path === null) return;
    const { keyOf } = latest.current;
    const newer = pageOf(path, first.data, latest.current);
    const join = ranked ? joinRanked : joinNewer;
    setKnown((before) =>
      before?.key === listKey
        ? { ...before, page: join(newer, before.page, keyOf), pages: newer.next === null ? 1 : before.pages }
        : { key: listKey, page: newer, pages: 1 },
    );
    const before = now.current;
    if (!ranked || before?.key !== listKey || before.pages < 2) return;
    if (rest.current.isRead || Date.now() - rest.current.atMs < REST_EVERY_MS) return;
    rest.current.isRead = true;
    const { pages } = before;
    readOn(path, newer, pages - 1, latest.current)
      // What was added meanwhile is more than was asked for.
      .then((page) =>
        setKnown((held) => (held?.key === listKey && held.pages === pages ? { ...held, page } : held)),
      )
      // What was known of it stays, and is asked for again with the next beginning.
      .catch(() => undefined)
      .finally(() => {
        rest.current = { isRead: false, atMs: Date.now() };
      });
  }, [first.data, path, listKey, ranked]);

  const own = known?.key === listKey ? known : undefined;
  const next = own?.page.next ?? null;
  const more = useCallback(() => {
    if (path === null || next === null) return;
    setReading(listKey);
    setProblem(null);
    api
      .get<Answer>(next)
      .then((answer) => {
        const older = pageOf(path, answer, latest.current);
        setKnown((before) =>
          before?.key === listKey && before.page.next === next
            ? {
                ...before,
                page: joinOlder(before.page, older, latest.current.keyOf),
                pages: before.pages + 1,
              }
            : before,
        );
      })
      .catch((thrown: unknown) => setProblem(asProblem(thrown)))
      .finally(() => setReading(null));
  }, [path, next, listKey]);

  const shown = own ?? (keep && !first.problem ? known : undefined);
  const state = useMemo(() => ({ ...first, data: shown?.page.rows }), [first, shown]);
  const isReading = reading === listKey && reading !== null;
  return { state, answer: first.data, hasMore: next !== null, isReading, problem, more };
}

type Reading<Answer extends Raw, Row> = Pick<PagesOptions<Answer, Row>, "rowsOf" | "keyOf">;

/** A page goes on with everything else of its question unchanged. */
const pageOf = <Answer extends Raw, Row>(
  path: string,
  answer: Answer,
  { rowsOf }: Reading<Answer, Row>,
): PageOf<Row> => ({
  rows: rowsOf(answer),
  next: answer.next === null ? null : pathWith(path, { page: answer.next }),
});

async function readOn<Answer extends Raw, Row>(
  path: string,
  begun: PageOf<Row>,
  pages: number,
  reading: Reading<Answer, Row>,
): Promise<PageOf<Row>> {
  let page = begun;
  for (let count = 0; count < pages && page.next !== null; count += 1) {
    const older = pageOf(path, await api.get<Answer>(page.next), reading);
    page = joinOlder(page, older, reading.keyOf);
  }
  return page;
}
