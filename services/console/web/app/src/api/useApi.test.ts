// @vitest-environment node
// Answers kept true, against a real server: ETags, old data after failures, one call for many, paths that change.
import "./testing.dom";
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { api } from "./client";
import { Problem } from "./problem";
import { forgetAll, refresh } from "./resource";
import { json, renderHook, startServer, type TestServer } from "./testing";
import { useApi } from "./useApi";

let server: TestServer;
let asked: string[];

beforeEach(async () => {
  server = await startServer();
  asked = [];
});

afterEach(async () => {
  forgetAll();
  await server.close();
});

it("asks once for all that look at the same path", async () => {
  const held: ServerResponse[] = [];
  server.handle = (request, response) => {
    asked.push(request.url ?? "");
    held.push(response);
  };
  const first = renderHook(() => useApi<{ n: number }>("/a"));
  const response = await vi.waitUntil(() => held[0]);
  const second = renderHook(() => useApi<{ n: number }>("/a"));
  await vi.waitUntil(() => second.seen.current);
  json(response, { n: 1 });
  await vi.waitUntil(() => first.seen.current?.data?.n === 1 && second.seen.current?.data?.n === 1);
  expect(asked).toEqual(["/a"]);
  first.unmount();
  second.unmount();
});

it("keeps the data where nothing has changed, and sends the ETag", async () => {
  const tags: unknown[] = [];
  server.handle = (request, response) => {
    tags.push(request.headers["if-none-match"]);
    if (request.headers["if-none-match"] === '"v1"') {
      response.writeHead(304);
      response.end();
    } else json(response, { n: 1 }, 200, { etag: '"v1"' });
  };
  const { seen, unmount } = renderHook(() => useApi<{ n: number }>("/b"));
  await vi.waitUntil(() => seen.current?.data);
  const before = seen.current?.data;
  seen.current?.reload();
  await vi.waitUntil(() => tags.length === 2 && !seen.current?.isLoading);
  expect(tags).toEqual([undefined, '"v1"']);
  expect(seen.current?.data).toBe(before);
  expect(seen.current?.problem).toBeNull();
  unmount();
});

it("keeps old data when a refresh fails, and says why", async () => {
  let isDown = false;
  server.handle = (_, response) => {
    if (isDown)
      json(response, { title: "Away", status: 503, detail: "It does not answer.", slug: "away" }, 503);
    else json(response, { n: 1 });
  };
  const { seen, unmount } = renderHook(() => useApi<{ n: number }>("/c"));
  await vi.waitUntil(() => seen.current?.data);
  isDown = true;
  refresh("/c");
  await vi.waitUntil(() => seen.current?.problem);
  expect(seen.current?.data).toEqual({ n: 1 });
  expect(seen.current?.problem).toMatchObject({ slug: "away", status: 503, message: "It does not answer." });
  isDown = false;
  seen.current?.reload();
  await vi.waitUntil(() => seen.current?.problem === null);
  unmount();
});

it("polls, and stops when nobody looks", async () => {
  server.handle = (request, response) => {
    asked.push(request.url ?? "");
    json(response, {});
  };
  const { unmount } = renderHook(() => useApi("/d", { every: 0.05 }));
  await vi.waitUntil(() => asked.length >= 4);
  unmount();
  await vi.waitFor(async () => {
    const before = asked.length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(asked.length).toBe(before);
  });
});

it("shows the answer of the path before only where that is wanted", async () => {
  server.handle = (request, response) => {
    if (request.url !== "/slow") json(response, { path: request.url });
  };
  let path = "/e1";
  const kept = renderHook(() => useApi<{ path: string }>(path, { keep: true, every: 0.02 }));
  const plain = renderHook(() => useApi<{ path: string }>(path, { every: 0.02 }));
  await vi.waitUntil(() => kept.seen.current?.data && plain.seen.current?.data);
  path = "/slow";
  await vi.waitUntil(() => plain.seen.current?.data === undefined);
  await vi.waitUntil(() => kept.seen.current?.isLoading);
  expect(kept.seen.current?.data).toEqual({ path: "/e1" });
  kept.unmount();
  plain.unmount();
});

it("throws problem documents, also of what is none", async () => {
  server.handle = (request, response) => {
    if (request.url === "/html") {
      response.writeHead(502, { "content-type": "text/html" });
      response.end("<h1>Bad gateway</h1>");
    } else json(response, { title: "No", detail: "Not yours.", slug: "forbidden" }, 403);
  };
  await expect(api.get("/x")).rejects.toMatchObject({
    status: 403,
    slug: "forbidden",
    message: "Not yours.",
  });
  await expect(api.get("/html")).rejects.toBeInstanceOf(Problem);
  await expect(api.get("/html")).rejects.toMatchObject({ status: 502 });
});

it("gives up in time", async () => {
  server.handle = () => undefined;
  await expect(api.get("/never", { timeoutMs: 80 })).rejects.toMatchObject({ status: 0, slug: "timed-out" });
});

it("says that the console cannot be reached", async () => {
  await server.close();
  await expect(api.get("/gone")).rejects.toMatchObject({ status: 0, slug: "unreachable" });
});
