// Lists that are longer than a page go on to their end.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  answerOf,
  ask,
  eventually,
  live,
  manyShapes,
  openBrowser,
  openContext,
  tokenOf,
  visit,
} from "./stage";

const PROJECT = `long-${Date.now() % 100_000}`;
/** What the page reads at once. */
const PAGE = 1000;
const SHAPES = PAGE + 100;
const MORE = 10;
let browser: Browser;
let token = { secret: "", id: "" };

interface Listed {
  queries: { fingerprint: string }[];
  next: string | null;
}

const listed = (page: string | null): Promise<Listed> =>
  answerOf<Listed>(`/database/monitoring/queries?limit=${PAGE}${page ? `&page=${page}` : ""}`, {
    token: token.secret,
  });

beforeAll(async () => {
  browser = await openBrowser();
  token = await tokenOf(PROJECT, "browser-paging");
  await manyShapes(SHAPES, PROJECT);
  await eventually("every shape is counted", async () => {
    const { next } = await listed(null);
    return next !== null && (await listed(next)).queries.length === SHAPES - PAGE;
  });
});
afterAll(async () => {
  await ask(`/database/tokens/${token.id}`, { method: "DELETE" });
  await browser.close();
});

describe("the list of queries", () => {
  it("says that it is not all, goes on where its end comes into sight, and stays whole while it is kept live", async () => {
    const context = await openContext(browser, { token: token.secret });
    const page = await context.newPage();
    const asked: string[] = [];
    page.on("request", (request) => {
      if (request.url().includes("/monitoring/queries?")) asked.push(request.url());
    });
    await visit(page, "/queries?span=24h");
    const table = page.getByRole("table", { name: "Queries" });
    const length = async () => Number(await table.getAttribute("aria-rowcount")) - 1;
    await page.getByText("the first 1,000 shapes", { exact: true }).waitFor();
    expect(await length()).toBe(PAGE);
    // That there is more is no reason to ask for the same once more.
    await live(page);
    expect(asked).toHaveLength(1);
    await page
      .getByRole("group", { name: "Queries" })
      .evaluate((list) => list.scrollTo(0, list.scrollHeight));
    await page.getByText("1,100 shapes", { exact: true }).waitFor();
    expect(await length()).toBe(SHAPES);
    expect(await page.getByRole("button", { name: "Show more" }).count()).toBe(0);
    // Everything is called once more, and some are new: the beginning is read anew, and what comes after it.
    await manyShapes(SHAPES + MORE, PROJECT);
    await page.getByText("1,110 shapes", { exact: true }).waitFor({ timeout: 60_000 });
    expect(await length()).toBe(SHAPES + MORE);
    await context.close();
  });

  it("has a row pressed though it moves, while rows do not listen", async () => {
    const context = await openContext(browser, { token: token.secret });
    const page = await context.newPage();
    await visit(page, "/queries?span=24h");
    const list = page.getByRole("group", { name: "Queries" });
    const link = list.locator('[data-row="4"] a').first();
    await link.waitFor();
    const box = await link.boundingBox();
    if (!box) throw new Error("the row is not in sight");
    const meant = await link.getAttribute("href");
    await page.mouse.move(box.x + 5, box.y + box.height / 2);
    // As the list says of itself while it moves; here until it is pressed, however slow the machine is.
    await list.evaluate((element) => element.setAttribute("data-moving", ""));
    await page.mouse.down();
    await page.mouse.up();
    await page.waitForURL((url) => url.pathname === new URL(meant ?? "", url).pathname);
    await context.close();
  });
});
