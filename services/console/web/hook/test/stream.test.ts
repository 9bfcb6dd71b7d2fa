// The event stream against a real server: heard, broken, resumed, missed, refused.
import "./dom.js";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type LiveEvent, useFigures, useLiveEvents, useQueries } from "../src/index.js";
import { TestConsole } from "./console.js";
import { figures } from "./data.js";
import { type Shown, show, until } from "./render.js";

const QUERIES = "/database/monitoring/queries";

let server: TestConsole;
let shown: Shown<unknown>[];
let heard: LiveEvent[];

beforeEach(async () => {
  server = await new TestConsole().start();
  server.answers = { [QUERIES]: { queries: [], next: null, missing: "" } };
  shown = [];
  heard = [];
});

afterEach(async () => {
  for (const one of shown) one.unmount();
  await server.close();
});

const look = <T>(hook: () => T): Shown<T> => {
  const made = show({ url: server.url }, hook);
  shown.push(made);
  return made;
};
const line = (at: number) => until(() => server.lines[at]);

it("hears what it listens for, and nothing else", async () => {
  const { seen } = look(() => useLiveEvents(["alert", "job.failed"], (event) => heard.push(event)));
  await line(0);
  server.say(0, "1-1", "job.started", {});
  server.say(0, "1-2", "alert.firing", { data: { rule: "slow" } });
  server.lines[0]?.response.write("event: alert.firing\ndata: no JSON\n\n");
  server.say(0, "1-3", "job.failed", { id: "j" });
  await until(() => heard.length === 2);
  expect(heard).toEqual([
    { kind: "alert.firing", data: { data: { rule: "slow" } } },
    { kind: "job.failed", data: { id: "j" } },
  ]);
  expect(seen.current?.phase).toBe("live");
});

it("resumes after the last id when the line breaks, and tells the phases", async () => {
  const phases: (string | undefined)[] = [];
  const { seen } = look(() => {
    const { phase } = useLiveEvents(["job"], (event) => heard.push(event));
    if (phases.at(-1) !== phase) phases.push(phase);
    return useFigures();
  });
  const one = await line(0);
  server.say(0, "9-41", "figures", figures(7));
  await until(() => seen.current?.queries_per_second === 7);
  one.response.destroy();
  await line(1);
  expect(server.lines.map(({ lastId }) => lastId)).toEqual(["", "9-41"]);
  server.say(1, "9-42", "job.started", {});
  await until(() => heard.length === 1);
  expect(phases).toEqual(["idle", "connecting", "live", "reconnecting", "live"]);
  expect(seen.current?.queries_per_second).toBe(7);
});

it("waits longer and longer for a console that only hangs up", async () => {
  look(() => useFigures());
  const moments: number[] = [];
  for (let at = 0; at < 4; at++) {
    const { response } = await line(at);
    moments.push(Date.now());
    response.destroy();
  }
  const waits = moments.slice(1).map((moment, at) => moment - (moments[at] ?? 0));
  expect(waits[0]).toBeGreaterThanOrEqual(240);
  expect(waits[2]).toBeGreaterThanOrEqual(990);
});

it("reads anew after a gap, and after a break without an id", async () => {
  look(() => useQueries());
  const one = await line(0);
  await until(() => server.times(QUERIES) === 1);
  server.say(0, "", "gap", { missed: 4 });
  await until(() => server.times(QUERIES) === 2);
  one.response.destroy();
  await line(1);
  await until(() => server.times(QUERIES) === 3);
});

it("makes one call of many events", async () => {
  look(() => useQueries());
  await line(0);
  await until(() => server.times(QUERIES) === 1);
  for (let at = 0; at < 4; at++) {
    server.lines[0]?.response.write('event: gap\ndata: {"missed":1}\n\n'.repeat(5));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await until(() => server.times(QUERIES) === 2);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(server.times(QUERIES)).toBe(2);
});

it("tells why it is not live, and asks on", async () => {
  server.isTaken = () => false;
  const { seen } = look(() => useLiveEvents(["job"], () => undefined));
  await until(() => seen.current?.problem);
  expect(seen.current).toMatchObject({
    phase: "connecting",
    problem: { status: 401, slug: "token-unknown" },
  });
  server.isTaken = () => true;
  await until(() => seen.current?.phase === "live");
  expect(seen.current?.problem).toBeNull();
});

it("lets no handler's fault cost another the event", async () => {
  const reported = vi.fn();
  vi.stubGlobal("reportError", reported);
  look(() => {
    useLiveEvents(["job"], () => {
      throw new Error("mine");
    });
    return useLiveEvents(["job"], (event) => heard.push(event));
  });
  await line(0);
  server.say(0, "1-1", "job.started", {});
  await until(() => heard.length === 1);
  expect(reported).toHaveBeenCalledTimes(1);
  vi.unstubAllGlobals();
});
