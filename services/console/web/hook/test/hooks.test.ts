// The hooks against a real server: loading, data, faults, tokens, changes, and the end of it all.
import "./dom.js";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import {
  type DatabaseOptimization,
  Problem,
  useAlerts,
  useAnswer,
  useDatabaseOptimization,
  useQueries,
  useSecurityViolations,
} from "../src/index.js";
import { type Asked, problem, TestConsole } from "./console.js";
import { alert, dashboard, figures, recommendation, violation } from "./data.js";
import { type Shown, show, until } from "./render.js";

const DASHBOARD = "/database/monitoring/dashboard";
const ADVICE = "/database/monitoring/recommendations";
const ALERTS = "/database/monitoring/alerts";
const QUERIES = "/database/monitoring/queries";
const VIOLATIONS = "/database/security/violations";

let server: TestConsole;
let shown: Shown<unknown>[];

beforeEach(async () => {
  server = await new TestConsole().start();
  server.answers = {
    [DASHBOARD]: dashboard,
    [ADVICE]: { recommendations: [recommendation], left: [], more: 0 },
    [ALERTS]: { alerts: [alert], next: null },
    [QUERIES]: { queries: [], next: null, missing: "" },
  };
  shown = [];
});

afterEach(async () => {
  for (const one of shown) one.unmount();
  await server.close();
});

const look = <T>(hook: () => T, props: Parameters<typeof show>[0] = {}): Shown<T> => {
  const made = show({ url: server.url, token: "weir_t", project: "shop", ...props }, hook);
  shown.push(made);
  return made;
};

it("goes from loading to data, with one call for each answer and one stream for all", async () => {
  const said: DatabaseOptimization[] = [];
  const fetched = vi.spyOn(globalThis, "fetch");
  const { seen } = look(() => {
    const both = [useDatabaseOptimization(), useDatabaseOptimization()] as const;
    said.push(both[0]);
    return both;
  });
  await until(() => said[0]);
  expect(said[0]).toMatchObject({ isLoading: true, problem: null, figures: null, alerts: [] });
  await until(() => seen.current?.[0].isLoading === false && server.lines[0]);
  server.say(0, "1-1", "figures", figures(7));
  await until(() => seen.current?.[1].figures?.queries_per_second === 7);
  expect(seen.current?.[0]).toMatchObject({
    health: { state: "ok" },
    alerts: [{ rule: "slow-query" }],
    recommendations: [{ setting: "shared_buffers" }],
    problem: null,
    connection: { phase: "live", problem: null },
  });
  expect(server.asked.map((one) => one.url).sort()).toEqual([
    `${DASHBOARD}?project=shop`,
    `${ADVICE}?project=shop`,
  ]);
  // Nor was a call begun and given up, though StrictMode mounts twice.
  expect(fetched).toHaveBeenCalledTimes(3);
  fetched.mockRestore();
  expect(server.asked.every((one) => one.token === "Bearer weir_t")).toBe(true);
  expect(server.lines.map((line) => [line.url, line.token])).toEqual([
    ["/events?project=shop", "Bearer weir_t"],
  ]);
});

it("gives the problem document, and keeps what was read before", async () => {
  const { seen } = look(() => useDatabaseOptimization());
  await until(() => seen.current?.health);
  server.answers[DASHBOARD] = (response: Asked["response"]) =>
    problem(response, 503, "away", "It does not answer.");
  seen.current?.reload();
  await until(() => seen.current?.problem);
  expect(seen.current?.problem).toBeInstanceOf(Problem);
  expect(seen.current?.problem).toMatchObject({ status: 503, slug: "away", message: "It does not answer." });
  expect(seen.current?.problem?.isPassing).toBe(true);
  expect(seen.current?.health?.state).toBe("ok");
  server.answers[DASHBOARD] = dashboard;
  seen.current?.reload();
  await until(() => seen.current?.problem === null);
});

it("is not loading for ever when the first answer is a fault", async () => {
  server.answers = {};
  const { seen } = look(() => useDatabaseOptimization());
  await until(() => seen.current?.problem);
  expect(seen.current).toMatchObject({ isLoading: false, problem: { status: 404, slug: "not-found" } });
});

it("asks for violations again when one is told of", async () => {
  server.answers[VIOLATIONS] = { violations: [], next: null };
  const { seen } = look(() => useSecurityViolations({ action: "blocked" }));
  await until(() => seen.current?.data?.violations.length === 0 && server.lines[0]);
  server.answers[VIOLATIONS] = { violations: [violation], next: null };
  server.say(0, "1-1", "security.violation", { id: violation.event_id, data: violation });
  await until(() => seen.current?.data?.violations[0]?.rule === "tautology");
  expect(server.asked[0]?.url).toBe(`${VIOLATIONS}?project=shop&action=blocked`);
});

it("says that the console cannot be reached", async () => {
  const { seen } = look(() => useQueries(), { url: "http://127.0.0.1:1" });
  await until(() => seen.current?.problem);
  expect(seen.current?.problem).toMatchObject({ status: 0, slug: "unreachable" });
});

it("asks for the token again after a 401, once for all calls", async () => {
  let given = 0;
  server.isTaken = (token) => token === "Bearer t2";
  const token = vi.fn(async () => `t${++given}`);
  const { seen } = look(() => useDatabaseOptimization(), { token });
  await until(() => seen.current?.health && seen.current.connection.phase === "live");
  await until(() => seen.current?.recommendations.length === 1);
  expect(token).toHaveBeenCalledTimes(2);
  expect(seen.current?.problem).toBeNull();
});

it("tells a refusal when the next token is refused too, or none can be had", async () => {
  server.isTaken = () => false;
  const token = vi.fn(() => "old");
  const { seen } = look(() => useQueries(), { token });
  await until(() => seen.current?.problem);
  expect(seen.current?.problem).toMatchObject({ status: 401, slug: "token-unknown" });
  const none = look(() => useQueries(), { token: () => Promise.reject(new Error("signed out")) });
  await until(() => none.seen.current?.problem);
  expect(none.seen.current?.problem).toMatchObject({ status: 0, slug: "no-token" });
  expect(none.seen.current?.problem?.message).toContain("signed out");
});

it("forgets what another token has read", async () => {
  const { seen, render } = look(() => useQueries());
  await until(() => seen.current?.data);
  server.answers[QUERIES] = () => undefined;
  render({ url: server.url, token: "weir_other", project: "shop" });
  await until(() => server.asked.at(-1)?.token === "Bearer weir_other");
  expect(seen.current?.data).toBeUndefined();
});

it("carries advice out, takes it back, and reads anew what that made old", async () => {
  server.answers[`${ADVICE}/shared-buffers/apply`] = { id: "c1", state: "pending_restart" };
  server.answers[`${ADVICE}/shared-buffers/revert`] = (response: Asked["response"]) =>
    problem(response, 409, "changed-since", "Somebody has changed it since.");
  const { seen } = look(() => useDatabaseOptimization());
  await until(() => seen.current?.recommendations.length === 1);
  const change = { ...recommendation, state: "pending_restart" };
  server.answers[ADVICE] = { recommendations: [change], left: [], more: 0 };
  expect(await seen.current?.apply("shared-buffers")).toMatchObject({ id: "c1" });
  await until(() => seen.current?.recommendations[0]?.state === "pending_restart");
  await expect(seen.current?.revert("shared-buffers")).rejects.toMatchObject({
    status: 409,
    slug: "changed-since",
  });
  const posted = server.asked.filter((one) => one.method === "POST").map((one) => one.url);
  expect(posted).toEqual([
    `${ADVICE}/shared-buffers/apply?project=shop`,
    `${ADVICE}/shared-buffers/revert?project=shop`,
  ]);
});

it("acknowledges an alert with a note", async () => {
  server.answers[`${ALERTS}/${alert.id}/acknowledge`] = { ...alert, acknowledged_by: "ann" };
  const { seen } = look(() => useAlerts({ state: ["firing", "pending"], limit: 5 }));
  await until(() => seen.current?.data);
  expect(server.asked[0]?.url).toBe(`${ALERTS}?project=shop&state=firing&state=pending&limit=5`);
  expect(await seen.current?.acknowledge(alert.id, "Mine.")).toMatchObject({ acknowledged_by: "ann" });
  expect(server.asked.find((one) => one.method === "POST")?.body).toBe('{"note":"Mine."}');
  await until(() => server.times(ALERTS) === 2);
});

it("fills paths, and asks nothing before it may", async () => {
  let isReady = false;
  server.answers[`${QUERIES}/a%2Fb`] = { fingerprint: "a/b" };
  const { seen, render } = look(() =>
    useAnswer("/database/monitoring/queries/{fingerprint}", {
      params: { fingerprint: "a/b" },
      enabled: isReady,
    }),
  );
  await until(() => seen.current);
  expect(seen.current).toMatchObject({ data: undefined, isLoading: false });
  expect(server.asked).toEqual([]);
  isReady = true;
  render({ url: server.url, token: "weir_t" });
  await until(() => seen.current?.data);
});

it("keeps stream and answers when one component gives way to another", async () => {
  const said: boolean[] = [];
  const { seen, render } = look(() => {
    const state = useDatabaseOptimization();
    said.push(state.isLoading);
    return state;
  });
  await until(() => seen.current?.isLoading === false && seen.current.connection.phase === "live");
  said.length = 0;
  render({ url: server.url, token: "weir_t", project: "shop" }, "another");
  await until(() => said.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(said).not.toContain(true);
  expect(server.lines.map((line) => line.isOpen)).toEqual([true]);
  expect(server.times(DASHBOARD)).toBe(1);
});

it("ends calls and the stream when the page goes", async () => {
  server.answers[DASHBOARD] = () => undefined;
  const { unmount } = look(() => useDatabaseOptimization());
  await until(() => server.lines[0]?.isOpen && server.asked.find((one) => one.path === DASHBOARD)?.isOpen);
  unmount();
  await until(() => server.lines[0]?.isOpen === false);
  await until(() => server.asked.every((one) => !one.isOpen));
  const [asked, lines] = [server.asked.length, server.lines.length];
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect([server.asked.length, server.lines.length]).toEqual([asked, lines]);
});
