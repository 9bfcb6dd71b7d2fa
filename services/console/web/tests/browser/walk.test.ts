// Every page, light and dark, on a desktop and a phone: it stands, nothing failed, nothing is cut off, nobody is shut
// out; and a screenshot of it is kept.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PAGES } from "./pages";
import {
  answerOf,
  DESKTOP,
  eventually,
  faultsOfAccess,
  IS_SHORT,
  live,
  openBrowser,
  openContext,
  PHONE,
  settle,
  shot,
  type Theme,
  visit,
  watchFaults,
} from "./stage";

let browser: Browser;
let fingerprint = "";

beforeAll(async () => {
  browser = await openBrowser();
  // The workload has been seen, so that there is something on the pages.
  const { queries } = await eventually("the workload is counted", async () => {
    const found = await answerOf<{ queries: { fingerprint: string; query: string }[] }>(
      "/database/monitoring/queries?search=shop.products",
    );
    return found.queries.length > 0 && found;
  });
  fingerprint = queries[0]?.fingerprint ?? "";
});
afterAll(() => browser.close());

const EVERY_LOOK: { theme: Theme; size: typeof DESKTOP; screen: string }[] = [
  { theme: "light", size: DESKTOP, screen: "desktop" },
  { theme: "dark", size: DESKTOP, screen: "desktop" },
  { theme: "light", size: PHONE, screen: "phone" },
  { theme: "dark", size: PHONE, screen: "phone" },
];
const LOOKS = EVERY_LOOK.filter(({ theme }) => !IS_SHORT || theme === "light");

describe.each(LOOKS)("$theme on a $screen", ({ theme, size, screen }) => {
  const pages = [...PAGES, { name: "query", path: "/queries/:fingerprint", heading: /./ }];
  it.each(pages)("$name", async ({ name, path, heading }) => {
    const context = await openContext(browser, { theme, size });
    try {
      const page = await context.newPage();
      const faults = watchFaults(page);
      await visit(page, path.replace(":fingerprint", fingerprint));
      await page.getByRole("heading", { level: 1, name: heading }).waitFor();
      // The stream is there, so that what it draws is drawn.
      await live(page);
      await settle(page);
      await shot(page, `${name}-${screen}-${theme}`);
      expect(await page.getByText("could not be read").allTextContents()).toEqual([]);
      const cutOff = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(cutOff, "pixels beyond the right edge").toBeLessThanOrEqual(0);
      expect(await faultsOfAccess(page)).toEqual([]);
      expect(faults).toEqual([]);
    } finally {
      await context.close();
    }
  });
});

describe("every page of the menu", () => {
  it("is reached by its link, and none is left out here", async () => {
    const context = await openContext(browser);
    const page = await context.newPage();
    await visit(page, "/");
    const links = page.getByRole("navigation", { name: "Pages" }).getByRole("link");
    const paths = await links.evaluateAll((all) => all.map((link) => link.getAttribute("href") ?? ""));
    expect(paths.filter((path) => !PAGES.some((known) => known.path === path))).toEqual([]);
    for (const path of paths) {
      await page.locator(`nav a[href="${path}"]`).click();
      await page.waitForURL((url) => url.pathname === path);
      await page.locator("main h1").first().waitFor();
    }
    await context.close();
  });
});
