// Security: a broken rule is on the page as soon as it is told, leads to its statement, and is kept; unknown shapes wait
// for a person, who lets them through; the mode is changed by hand.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { firstEvent } from "./events";
import {
  answerOf,
  ask,
  eventually,
  faultsOfAccess,
  live,
  openBrowser,
  openContext,
  PHONE,
  settle,
  shot,
  throughWeir,
  visit,
} from "./stage";

interface Made {
  secret: string;
  token: { id: string };
}

interface Told {
  data: { summary: string; rule: string; fingerprint: string };
}

const PROJECT = "browser-security";
const ATTACK = "select id, name from shop.products where name = '' or 1=1 --'";

let browser: Browser;
let token: Made;
beforeAll(async () => {
  browser = await openBrowser();
  token = await answerOf<Made>("/database/tokens", {
    method: "POST",
    body: { name: "browser-security", project: PROJECT, role: "operator" },
  });
});
afterAll(async () => {
  await ask(`/database/tokens/${token.token.id}`, { method: "DELETE" });
  await browser.close();
});

describe("violations", () => {
  it("are empty at first, and on the page within a second of their event", async () => {
    const context = await openContext(browser, { token: token.secret });
    const page = await context.newPage();
    await visit(page, "/security");
    await page.getByText("No rule was broken", { exact: true }).first().waitFor();
    await live(page);

    const event = firstEvent("security.violation", { project: PROJECT, token: token.secret });
    await event.isOpen;
    const table = page.getByRole("table", { name: "All violations" });
    const seen = table.waitFor({ timeout: 60_000 }).then(() => Date.now());
    await throughWeir([ATTACK], PROJECT);
    const told = await event.data;
    const { data } = told.data as Told;
    expect((await seen) - told.atUnixMs, "milliseconds from the event to the page").toBeLessThan(1000);
    const row = table.getByRole("row").nth(1);
    await row.getByText("let through").waitFor();
    await row.getByRole("link", { name: data.summary }).waitFor();
    await shot(page, "security-arrived-desktop-light");

    // It is the same once the list has it, and after the page is opened anew.
    await eventually("it is listed", async () => {
      const { violations } = await answerOf<{ violations: unknown[] }>("/database/security/violations", {
        token: token.secret,
      });
      return violations.length === 1;
    });
    await page.reload();
    await settle(page);
    expect(await table.getByRole("row").count()).toBe(2);
    await row.getByRole("link", { name: data.summary }).click();
    await page.waitForURL((url) => url.pathname === `/queries/${data.fingerprint}`);
    await context.close();
  });

  it("are filtered by what is chosen in them, and by the address", async () => {
    const context = await openContext(browser, { token: token.secret });
    const page = await context.newPage();
    await visit(page, "/security");
    const rows = page.getByRole("table", { name: "All violations" }).getByRole("row");
    await rows.nth(1).getByRole("button", { name: "127.0.0.1" }).click();
    expect(page.url()).toContain("client=127.0.0.1");
    await page.getByRole("button", { name: "Only from 127.0.0.1" }).waitFor();
    await visit(page, "/security?action=blocked");
    await page.getByText("No violation fits the filter").waitFor();
    await page.getByRole("button", { name: "Clear the filter" }).click();
    await rows.nth(1).waitFor();
    await context.close();
  });

  it("stand as cards on a phone, without anything cut off", async () => {
    const context = await openContext(browser, { token: token.secret, size: PHONE, theme: "dark" });
    const page = await context.newPage();
    for (const [path, name] of [
      ["/security", "security-own"],
      ["/security?tab=firewall", "security-own-firewall"],
    ] as const) {
      await visit(page, path);
      await live(page);
      await settle(page);
      await shot(page, `${name}-phone-dark`);
      expect(
        await page.evaluate(() => document.documentElement.scrollWidth - innerWidth),
      ).toBeLessThanOrEqual(0);
      expect(await faultsOfAccess(page)).toEqual([]);
    }
    await context.close();
  });
});

describe("the firewall", () => {
  it("is seen by a token of the project, which changes nothing", async () => {
    const context = await openContext(browser, { token: token.secret });
    const page = await context.newPage();
    await visit(page, "/security?tab=firewall");
    const scopes = page.getByRole("table", { name: "What the firewall does for whom" });
    await scopes.getByText(/Enforce would have blocked 1 of/).waitFor();
    await page.getByRole("table", { name: "Shapes that the firewall has" }).waitFor();
    const changing = page.getByRole("button", { name: /^(Approve|Forget|Change)/, disabled: false });
    expect(await changing.allTextContents()).toEqual([]);
    await context.close();
  });

  it("lets a shape through when the operator says so, and goes by the mode that is set", async () => {
    const context = await openContext(browser);
    const page = await context.newPage();
    await visit(page, `/security?tab=firewall&project=${PROJECT}`);
    const shapes = page.getByRole("table", { name: "Shapes that the firewall has" });
    const waiting = shapes.getByRole("row").filter({ hasText: "shop.products" });
    await waiting.getByRole("button", { name: "Approve" }).focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Let this shape through?" });
    await dialog.getByText("It looks suspicious").waitFor();
    await shot(page, "security-approve-desktop-light");
    await dialog.getByRole("button", { name: "Let it through" }).click();
    await dialog.waitFor({ state: "hidden" });
    await page.getByText("Approved", { exact: true }).click();
    await waiting.getByText("by operator").waitFor();
    await waiting.getByRole("button", { name: "Forget" }).click();
    await page.getByText("Nothing is approved yet").waitFor();

    await page.getByRole("button", { name: "Change for the project" }).click();
    const mode = page.getByRole("dialog", { name: `Mode for the project ${PROJECT}` });
    await mode.getByLabel("What the firewall is to do").selectOption("enforce");
    await mode.getByText(/Enforce would have blocked/).waitFor();
    await mode.getByRole("button", { name: "Change the mode" }).click();
    await mode.waitFor({ state: "hidden" });
    await page.getByLabel("Modes set by operators").getByText("Enforce").waitFor();
    await eventually("the statement is refused", async () => {
      const sent = throughWeir([ATTACK], PROJECT);
      return sent.then(
        () => false,
        () => true,
      );
    });
    await page.getByRole("tab", { name: "Violations" }).click();
    const listed = page.getByRole("table", { name: "All violations" });
    await listed.getByText("blocked", { exact: false }).first().waitFor();
    const back = await ask(`/database/security/firewall/mode/settings?project=${PROJECT}`, {
      method: "POST",
      body: {},
    });
    expect(back.status).toBe(204);
    await context.close();
  });
});
