// What the tests of speed measure with: a look-out that runs in the page before anything of it does, the browser's own
// account of its work, and medians.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, CDPSession, Page } from "playwright-core";

export type Figures = Record<string, number>;

interface Watch {
  /** When the menu and the heading of the page were there, and could be pressed; 0: not yet. */
  headingMs: number;
  /** When nothing was loading any more. */
  shownMs: number;
  /** Tasks of more than 50 ms, which the browser calls long. */
  tasks: { at: number; ms: number }[];
  frames: number[];
  isCounting: boolean;
}
declare global {
  interface Window {
    watch: Watch;
  }
}

/** Runs in the page. */
export function watchPage(): void {
  const watch: Watch = { headingMs: 0, shownMs: 0, tasks: [], frames: [], isCounting: false };
  window.watch = watch;
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) watch.tasks.push({ at: task.startTime, ms: task.duration });
  }).observe({ type: "longtask", buffered: true });
  const look = () => {
    const isLoading = document.querySelector('[role="status"][aria-label^="Loading"]') !== null;
    const hasHeading = document.querySelector("main h1:not(.sr-only)") !== null;
    if (hasHeading && watch.headingMs === 0) watch.headingMs = performance.now();
    const isThere = hasHeading && !isLoading;
    if (!isThere) watch.shownMs = 0;
    else if (watch.shownMs === 0) watch.shownMs = performance.now();
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
  let before = 0;
  const frame = (now: number) => {
    if (watch.isCounting && before > 0) watch.frames.push(now - before);
    before = watch.isCounting ? now : 0;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

const REST_MS = 500;

/** Waits until the page shows its data and no task has been long for half a second. */
export async function rested(page: Page): Promise<void> {
  await page.waitForFunction(
    (restMs) => {
      const { shownMs, tasks } = window.watch;
      const last = tasks.at(-1);
      return shownMs > 0 && performance.now() - Math.max(shownMs, last ? last.at + last.ms : 0) > restMs;
    },
    REST_MS,
    { timeout: 30_000 },
  );
}

/** How the first load of a page went, once it rests. */
export const loadOf = (page: Page): Promise<Figures> =>
  page.evaluate(() => {
    const { headingMs, shownMs, tasks } = window.watch;
    const loaded = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
    const early = loaded.filter((one) => one.startTime < shownMs && one.responseEnd > 0);
    const files = early.filter((one) => one.name.includes("/assets/"));
    const calls = early.filter((one) => one.initiatorType === "fetch");
    const last = tasks.at(-1);
    return {
      first_paint_ms: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Number.NaN,
      heading_ms: headingMs,
      data_ms: shownMs,
      interactive_ms: Math.max(shownMs, last ? last.at + last.ms : 0),
      long_tasks: tasks.length,
      longest_task_ms: Math.max(0, ...tasks.map((task) => task.ms)),
      files: files.length,
      files_sent_kb: files.reduce((sum, one) => sum + one.transferSize, 0) / 1000,
      files_there_ms: Math.max(0, ...files.map((one) => one.responseEnd)),
      slowest_call_ms: Math.max(0, ...calls.map((one) => one.responseEnd - one.requestStart)),
    };
  });

/** Processor time of the main thread. It says the same on a busy machine, which moments and frames do not. */
export async function workOf(session: CDPSession): Promise<Figures> {
  const { metrics } = await session.send("Performance.getMetrics");
  const ms = (name: string) => 1000 * (metrics.find((metric) => metric.name === name)?.value ?? 0);
  return {
    script_cpu_ms: ms("ScriptDuration"),
    style_and_layout_cpu_ms: ms("LayoutDuration") + ms("RecalcStyleDuration"),
    all_cpu_ms: ms("TaskDuration"),
  };
}

export async function workSessionOf(page: Page): Promise<CDPSession> {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  return session;
}

const differenceOf = (after: Figures, before: Figures): Figures =>
  Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]));

export const nextFrame = (page: Page): Promise<void> =>
  page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => resolve())));

/** Frames, long tasks and work while something is done. */
export async function measured(page: Page, session: CDPSession, work: () => Promise<void>): Promise<Figures> {
  await page.evaluate(() => {
    Object.assign(window.watch, { frames: [], tasks: [], isCounting: true });
  });
  const before = await workOf(session);
  await work();
  const worked = differenceOf(await workOf(session), before);
  const seen = await page.evaluate(() => {
    window.watch.isCounting = false;
    const frames = [...window.watch.frames].sort((a, b) => a - b);
    const at = (part: number) => frames[Math.min(frames.length - 1, Math.floor(frames.length * part))] ?? 0;
    const tasks = window.watch.tasks.map((task) => task.ms);
    return {
      frames: frames.length,
      frame_p50_ms: at(0.5),
      frame_p95_ms: at(0.95),
      frame_max_ms: at(1),
      long_tasks: tasks.length,
      longest_task_ms: Math.max(0, ...tasks),
    };
  });
  return { ...seen, ...worked, frame_cpu_ms: (worked.all_cpu_ms ?? 0) / Math.max(1, seen.frames) };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** The median of each figure, and the worst long task of all. */
export function mediansOf(rounds: readonly Figures[]): Figures {
  const valuesOf = (name: string) => rounds.map((round) => round[name] ?? Number.NaN);
  const middle = Object.keys(rounds[0] ?? {}).map((name) => [name, median(valuesOf(name))] as const);
  return rounded(
    Object.fromEntries([...middle, ["worst_task_ms", Math.max(...valuesOf("longest_task_ms"))]]),
  );
}

export const rounded = (figures: Figures): Figures =>
  Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Math.round(10 * value) / 10]));

const TRIVIAL = `<!doctype html><html lang="en"><title>Trivial</title><main><h1>Nothing</h1></main>`;
const LOOP_STEPS = 20_000_000;

/** What the same browser takes for a page that does nothing, and for a loop: every other figure is read beside these. */
export async function yardstick(browser: Browser): Promise<Figures> {
  const server = createServer((_, response) => response.setHeader("content-type", "text/html").end(TRIVIAL));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const context = await browser.newContext();
  try {
    await context.addInitScript(watchPage);
    const page = await context.newPage();
    const session = await workSessionOf(page);
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await rested(page);
    const before = await workOf(session);
    const loopMs = await page.evaluate((steps) => {
      const begun = performance.now();
      let state = 1;
      for (let step = 0; step < steps; step += 1) state = (Math.imul(state, 1_664_525) + step) | 0;
      return state === 0 ? Number.NaN : performance.now() - begun;
    }, LOOP_STEPS);
    const { all_cpu_ms: loopCpuMs = Number.NaN } = differenceOf(await workOf(session), before);
    const { first_paint_ms = Number.NaN, data_ms = Number.NaN } = await loadOf(page);
    const whole = { page_cpu_ms: before.all_cpu_ms ?? Number.NaN, loop_ms: loopMs, loop_cpu_ms: loopCpuMs };
    return { first_paint_ms, data_ms, ...whole, longest_task_ms: 0 };
  } finally {
    await context.close();
    server.close();
  }
}
