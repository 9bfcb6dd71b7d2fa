// How fast the dashboard is: the first load, a thousand statements sorted, searched and scrolled, a day of points hovered
// and fed. It measures, and fails only where nobody would call it smooth; `tests/run --only speed` writes out/speed.json.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, CDPSession, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type Figures,
  loadOf,
  measured,
  mediansOf,
  nextFrame,
  rested,
  rounded,
  watchPage,
  workOf,
  workSessionOf,
  yardstick,
} from "./speed";
import {
  answerOf,
  ask,
  eventually,
  live,
  manyShapes,
  OUT,
  openBrowser,
  openContext,
  settle,
  tokenOf,
  URL_OF_WEIR,
  visit,
} from "./stage";

const ROUNDS = Number(process.env.WEIR_SPEED_ROUNDS ?? 7);
const PROJECT = `speed-${Date.now() % 100_000}`;
const SHAPES = 1000;
/** `shape_aaa` to `shape_aaz`. */
const SEARCHED = { text: "shape_aa", count: "26 shapes" };
const DAY_MS = 86_400_000;
const SPAN_MS = 10_000;

let browser: Browser;
let token = { secret: "", id: "" };
const results: Record<string, Figures> = {};

beforeAll(async () => {
  browser = await openBrowser();
  token = await tokenOf(PROJECT, "browser-speed");
  await manyShapes(SHAPES, PROJECT);
  await eventually("every shape is counted", async () => {
    const path = "/database/monitoring/queries?limit=1000";
    const { queries } = await answerOf<{ queries: unknown[] }>(path, { token: token.secret });
    if (queries.length !== SHAPES) throw new Error(`${queries.length} are`);
    return true;
  });
}, 240_000);
afterAll(async () => {
  writeFileSync(join(OUT, "speed.json"), `${JSON.stringify(results, null, 2)}\n`);
  await ask(`/database/tokens/${token.id}`, { method: "DELETE" });
  await browser.close();
});

interface Opened {
  page: Page;
  session: CDPSession;
  close: () => Promise<void>;
}

/** A page in a context of its own, which has nothing in its cache. */
async function open(secret?: string): Promise<Opened> {
  const context = await openContext(browser, secret ? { token: secret } : {});
  await context.addInitScript(watchPage);
  const page = await context.newPage();
  return { page, session: await workSessionOf(page), close: () => context.close() };
}

async function firstLoad(path: string, secret?: string): Promise<Figures> {
  const { page, session, close } = await open(secret);
  await page.goto(URL_OF_WEIR + path);
  await rested(page);
  await live(page);
  const told = { ...(await loadOf(page)), ...(await workOf(session)) };
  await close();
  return told;
}

async function inRounds(work: () => Promise<Figures>): Promise<Figures> {
  const rounds: Figures[] = [];
  for (let round = 0; round < ROUNDS; round += 1) rounds.push(await work());
  return mediansOf(rounds);
}

it("the yardstick: a page that does nothing", async () => {
  results["yardstick: a page that does nothing"] = await inRounds(() => yardstick(browser));
}, 120_000);

it.each([
  { path: "/", isOwn: false },
  { path: "/queries", isOwn: true },
])(
  "the first load of $path",
  async ({ path, isOwn }) => {
    const told = await inRounds(() => firstLoad(path, isOwn ? token.secret : undefined));
    results[`first load of ${path}`] = told;
    expect(told.files_sent_kb).toBeGreaterThan(50);
    expect(told.files_sent_kb).toBeLessThan(300);
    expect(told.interactive_ms).toBeLessThan(5000);
    expect(told.all_cpu_ms).toBeLessThan(1500);
  },
  240_000,
);

async function sortByEach(page: Page): Promise<void> {
  for (const title of ["p95", "Statement", "Calls", "Total time"]) {
    await page.getByRole("columnheader", { name: title }).getByRole("button").click();
    await nextFrame(page);
    await nextFrame(page);
  }
}

async function search(page: Page): Promise<void> {
  const field = page.getByLabel("Search in statements");
  await field.pressSequentially(SEARCHED.text, { delay: 40 });
  await page.getByText(SEARCHED.count, { exact: true }).waitFor();
  await field.fill("");
  await allShapes(page);
}

const STEPS = 60;

/** A wheel that turns fast, and as fast as a hand drags the bar: every step shows rows that were not there before. */
const scrolling = (pixels: number) => async (page: Page) => {
  await page.getByRole("group", { name: "Queries" }).hover();
  for (let step = 0; step < STEPS; step += 1) {
    await page.mouse.wheel(0, step < STEPS / 2 ? pixels : -pixels);
    await nextFrame(page);
  }
};

/** A list that fills its page is `the first 1,000 shapes` until somebody looks for more. */
const allShapes = (page: Page): Promise<void> => page.getByText("1,000 shapes").waitFor();

it("a thousand statements, sorted, searched and scrolled", async () => {
  const { page, session, close } = await open(token.secret);
  await visit(page, "/queries?span=24h");
  await allShapes(page);
  const works = { sort: sortByEach, search, scroll: scrolling(300), drag: scrolling(1200) };
  for (const [name, work] of Object.entries(works)) {
    await rested(page);
    results[`1000 statements: ${name}`] = await inRounds(() => measured(page, session, () => work(page)));
  }
  await close();
  expect(results["1000 statements: scroll"]?.frame_p50_ms).toBeLessThan(100);
  expect(results["1000 statements: scroll"]?.frame_cpu_ms).toBeLessThan(50);
  // Four times, each some fifty milliseconds of the script at most.
  expect(results["1000 statements: sort"]?.script_cpu_ms).toBeLessThan(220);
}, 480_000);

/** A day of the shortest spans. The console tells of a day in fewer; whoever feeds a chart by hand may have them all. */
function dayOf(statistics: object, untilUnixMs: number): { spans: object[]; missing: string } {
  const from = untilUnixMs - DAY_MS;
  const spans = Array.from({ length: DAY_MS / SPAN_MS }, (_, at) => {
    const wave = 1 + Math.sin(at / 200) + Math.sin(at * 7.3) / 4;
    return {
      from_unix_ms: from + at * SPAN_MS,
      to_unix_ms: from + (at + 1) * SPAN_MS,
      statistics: {
        ...statistics,
        calls: Math.round(100 * wave + 60),
        p50_ms: wave + 1,
        p95_ms: 3 * wave + 2,
        p99_ms: 9 * wave + 3,
      },
    };
  });
  return { spans, missing: "" };
}

const statementOfProject = async (): Promise<{ fingerprint: string }> => {
  const path = "/database/monitoring/queries?limit=1";
  const { queries } = await answerOf<{ queries: { fingerprint: string }[] }>(path, { token: token.secret });
  if (!queries[0]) throw new Error("no statement is there");
  return queries[0];
};

/** Moves over the first chart to and fro, a step with every frame. */
async function hover(page: Page, steps: number): Promise<void> {
  const box = await page.getByRole("figure").first().locator(".u-over").boundingBox();
  if (!box) throw new Error("the chart is not drawn");
  for (let step = 0; step < steps; step += 1) {
    const part = 0.5 + 0.48 * Math.sin(step / 12);
    await page.mouse.move(box.x + box.width * part, box.y + box.height / 2);
    await nextFrame(page);
  }
}

it("a day of points, hovered while new ones come", async () => {
  const statement = await statementOfProject();
  const { page, session, close } = await open(token.secret);
  let fed = 0;
  await page.route(/\/timeline\?/, async (route) => {
    fed += 1;
    await route.fulfill({ json: dayOf(statement, Date.now() - (Date.now() % SPAN_MS)) });
  });
  await visit(page, `/queries/${statement.fingerprint}?span=24h`);
  await page.getByRole("figure").first().locator(".u-over").scrollIntoViewIfNeeded();
  await settle(page);
  await rested(page);
  results["a day of points: drawn"] = rounded({ ...(await loadOf(page)), ...(await workOf(session)) });
  results["a day of points: hovered"] = await inRounds(() => measured(page, session, () => hover(page, 90)));
  // The page asks anew every half a minute.
  const before = fed;
  const fedWhileHovered = await measured(page, session, async () => {
    while (fed === before) await hover(page, 30);
    await hover(page, 30);
  });
  results["a day of points: hovered until new ones came"] = rounded(fedWhileHovered);
  await close();
  expect(results["a day of points: hovered"]?.frame_p50_ms).toBeLessThan(100);
  expect(results["a day of points: hovered"]?.frame_cpu_ms).toBeLessThan(50);
  expect(fedWhileHovered.longest_task_ms).toBeLessThan(1000);
}, 240_000);
