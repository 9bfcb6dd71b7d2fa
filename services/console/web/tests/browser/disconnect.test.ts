// The console goes away and comes back: the page says so, keeps what it knew, and goes on by itself.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  answerOf,
  ask,
  command,
  eventually,
  faultsOfAccess,
  live,
  openBrowser,
  openContext,
  shot,
  visit,
} from "./stage";

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(async () => {
  await browser.close();
});

const isUp = async (): Promise<boolean> => (await ask("/readyz")).ok;

describe("a lost connection", () => {
  it("is shown, and recovers", async () => {
    const context = await openContext(browser);
    const page = await context.newPage();
    await visit(page, "/alerts?tab=rules");
    const table = page.getByRole("table", { name: "All rules" });
    await table.waitFor();
    await live(page);

    await command("WEIR_STOP");
    const banner = page.getByText("No connection to the console");
    await page
      .locator('[data-phase="reconnecting"], [data-phase="disconnected"]')
      .waitFor({ state: "attached" });
    await banner.waitFor({ timeout: 30_000 });
    await table.waitFor();
    await shot(page, "disconnected-desktop-light");
    expect(await faultsOfAccess(page)).toEqual([]);

    await command("WEIR_START");
    await eventually("the console is back", isUp, 120_000);
    await live(page);
    await banner.waitFor({ state: "detached" });
    // What stands behind the console may be on its way yet.
    const rules = await eventually("the rules are told", () =>
      answerOf<{ rules: unknown[] }>("/database/monitoring/rules"),
    );
    expect(Number(await table.getAttribute("aria-rowcount")) - 1).toBe(rules.rules.length);
    await context.close();
  });
});
