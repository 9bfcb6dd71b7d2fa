// @vitest-environment node
// Lists longer than a page, against a real server: they go on to their end, each row once, and are kept true.
import "./testing.dom";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { forgetAll, refresh } from "./resource";
import { json, renderHook, startServer, type TestServer } from "./testing";
import { type Pages, usePages } from "./usePages";

interface Row {
  id: number;
  word: string;
}
interface Answer {
  rows: Row[];
  next: string | null;
}

const SIZE = 1000;
let server: TestServer;
let asked: string[];
let all: Row[];

/** A list of which the token of a page is how many came before it. */
beforeEach(async () => {
  server = await startServer();
  asked = [];
  all = Array.from({ length: 2500 }, (_, id) => ({ id, word: "old" }));
  server.handle = (request, response) => {
    asked.push(request.url ?? "");
    const from = Number(new URL(request.url ?? "", "http://x").searchParams.get("page") ?? 0);
    const isLast = from + SIZE >= all.length;
    json(response, { rows: all.slice(from, from + SIZE), next: isLast ? null : String(from + SIZE) });
  };
});

afterEach(async () => {
  forgetAll();
  await server.close();
});

const options = { rowsOf: (answer: Answer) => answer.rows, keyOf: (row: Row) => String(row.id) };
type Shown = { current: Pages<Row, Answer> | undefined };
const length = (seen: Shown) => seen.current?.state.data?.length;

async function readAll(seen: Shown): Promise<void> {
  for (const rows of [SIZE, 2 * SIZE, 2500]) {
    await vi.waitUntil(() => length(seen) === rows && !seen.current?.isReading);
    seen.current?.more();
  }
}

it("goes on to the end with the question unchanged, and says when there is no more", async () => {
  const { seen, unmount } = renderHook(() => usePages("/list?kind=select", options));
  await readAll(seen);
  expect(seen.current?.hasMore).toBe(false);
  expect(asked).toEqual(["", "&page=1000", "&page=2000"].map((page) => `/list?kind=select${page}`));
  expect(new Set(seen.current?.state.data?.map((row) => row.id)).size).toBe(2500);
  unmount();
});

it("reads the rest of a ranked list anew with its beginning", async () => {
  const { seen, unmount } = renderHook(() => usePages("/ranked", { ...options, ranked: true }));
  await readAll(seen);
  // The last is the first now, all have changed, and one is gone.
  all = [...all].reverse().slice(0, 2499);
  for (const row of all) row.word = "new";
  refresh("/ranked");
  await vi.waitUntil(() => length(seen) === 2499);
  expect(seen.current?.state.data?.map((row) => row.id)).toEqual(all.map((row) => row.id));
  expect(seen.current?.state.data?.every((row) => row.word === "new")).toBe(true);
  unmount();
});

it("stays the same list while its span of time moves on, and goes on where each page came from", async () => {
  let since = 1;
  const { seen, unmount } = renderHook(() =>
    usePages(`/list?since=${since}`, { ...options, listKey: "/list", every: 0.05 }),
  );
  await vi.waitUntil(() => length(seen) === SIZE);
  seen.current?.more();
  await vi.waitUntil(() => length(seen) === 2 * SIZE);
  since = 2;
  all = [{ id: -1, word: "newest" }, ...all];
  // A poll of the old span has it rendered again, and the new span is asked for.
  await vi.waitUntil(() => asked.some((path) => path === "/list?since=2"));
  await vi.waitUntil(() => length(seen) === 2 * SIZE + 1);
  seen.current?.more();
  await vi.waitUntil(() => seen.current?.hasMore === false);
  expect(asked).toContain("/list?since=1&page=2000");
  expect(asked).not.toContain("/list?since=2&page=2000");
  unmount();
});

it("shows the list before while another is awaited, and does not go on with it", async () => {
  let path = "/list?search=a";
  const { seen, unmount } = renderHook(() => usePages(path, { ...options, keep: true, every: 0.05 }));
  await vi.waitUntil(() => length(seen) === SIZE);
  let answer: (() => void) | undefined;
  const usual = server.handle;
  server.handle = (request, response) => {
    if (request.url?.includes("search=b")) answer = () => json(response, { rows: [], next: null });
    else usual(request, response);
  };
  path = "/list?search=b";
  await vi.waitUntil(() => seen.current?.hasMore === false);
  expect(length(seen)).toBe(SIZE);
  (await vi.waitUntil(() => answer))();
  await vi.waitUntil(() => length(seen) === 0);
  unmount();
});
