// @vitest-environment node
// The event stream against a real server: heard, broken, resumed, refused.
import "./testing.dom";
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { onRefused } from "./client";
import { type LiveEvent, listen, openLive, useFigures, useLiveState } from "./live";
import { renderHook, startServer, type TestServer } from "./testing";

let server: TestServer;
let close: () => void = () => undefined;
let lines: { ids: string[]; urls: string[]; responses: ServerResponse[] };

beforeEach(async () => {
  server = await startServer();
  lines = { ids: [], urls: [], responses: [] };
  server.handle = (request: IncomingMessage, response: ServerResponse) => {
    lines.ids.push(String(request.headers["last-event-id"] ?? ""));
    lines.urls.push(request.url ?? "");
    lines.responses.push(response);
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(": hello\n\n");
  };
});

afterEach(async () => {
  close();
  await server.close();
});

const line = (at: number) => vi.waitUntil(() => lines.responses[at], { timeout: 8000 });
const say = (response: ServerResponse, id: string, event: string, data: unknown) =>
  response.write(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);

it("hears what it listens for, and nothing else", async () => {
  const heard: LiveEvent[] = [];
  const stop = listen(["alert", "gap"], (event) => heard.push(event));
  close = openLive("shop");
  const one = await line(0);
  expect(lines.urls[0]).toBe("/events?project=shop");
  say(one, "1-1", "job.started", {});
  say(one, "1-2", "alert.firing", { data: { rule: "slow" } });
  say(one, "1-3", "gap", { missed: 4 });
  await vi.waitUntil(() => heard.length === 2);
  expect(heard.map((event) => event.kind)).toEqual(["alert.firing", "gap"]);
  stop();
});

it("resumes after the last event when the line breaks, and tells the phases", async () => {
  const { seen, unmount } = renderHook(
    () => [useLiveState().phase, useFigures()?.queries_per_second] as const,
  );
  close = openLive("resumed");
  const one = await line(0);
  say(one, "9-41", "figures", { queries_per_second: 7 });
  await vi.waitUntil(() => seen.current?.[1] === 7);
  expect(seen.current?.[0]).toBe("live");
  one.destroy();
  await vi.waitUntil(() => seen.current?.[0] === "reconnecting");
  await line(1);
  expect(lines.ids).toEqual(["", "9-41"]);
  await vi.waitUntil(() => seen.current?.[0] === "live");
  unmount();
});

it("begins anew for another project: neither its figures nor its events are the old one's", async () => {
  const { seen, unmount } = renderHook(() => useFigures());
  close = openLive("first");
  say(await line(0), "3-1", "figures", { queries_per_second: 1 });
  await vi.waitUntil(() => seen.current);
  close();
  close = openLive("second");
  await vi.waitUntil(() => seen.current === null);
  await line(1);
  expect(lines.urls[1]).toBe("/events?project=second");
  expect(lines.ids[1]).toBe("");
  unmount();
});

it("says so when the token is refused", async () => {
  server.handle = (_, response) => {
    response.writeHead(401);
    response.end();
  };
  const refused = vi.fn();
  const stop = onRefused(refused);
  close = openLive("refused");
  await vi.waitUntil(() => refused.mock.calls.length > 0);
  stop();
});
