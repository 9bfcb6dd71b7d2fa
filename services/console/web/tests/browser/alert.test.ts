// An alert is on the page within a second of its event, and gone with its end; a silence and a note reach the service.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { firstEvent } from "./events";
import {
  answerOf,
  ask,
  eventually,
  live,
  openBrowser,
  openContext,
  shot,
  throughWeir,
  tokenOf,
  visit,
} from "./stage";

interface Alert {
  id: string;
  summary: string;
  state: string;
  acknowledged_by: string;
  acknowledged_note: string;
  silenced_by: string;
}

/** A project of its own: nothing fires in it yet. */
const PROJECT = `alerts-${Date.now() % 100_000}`;
let browser: Browser;
let token = { secret: "", id: "" };

beforeAll(async () => {
  browser = await openBrowser();
  token = await tokenOf(PROJECT, "browser-alerts");
});
afterAll(async () => {
  await ask(`/database/tokens/${token.id}`, { method: "DELETE" });
  await browser.close();
});

const firing = async (): Promise<Alert[]> =>
  (
    await answerOf<{ alerts: Alert[] }>("/database/monitoring/alerts?state=firing", {
      token: token.secret,
    })
  ).alerts;

describe("alerts", () => {
  it("appear within a second of their event, are looked after and silenced", async () => {
    const context = await openContext(browser, { token: token.secret });
    const page = await context.newPage();
    await visit(page, "/alerts");
    await page.getByText("Nothing fires", { exact: true }).waitFor();
    await live(page);

    const event = firstEvent("alert.firing", { project: PROJECT, token: token.secret });
    await event.isOpen;
    const card = page.getByRole("article").first();
    const seen = card.waitFor({ timeout: 60_000 }).then(() => Date.now());
    // Slow by what it does: one that sleeps would break a rule of the firewall too, and raise an alert of its own.
    await throughWeir(
      ["select count(*) as of_the_alert_probe from generate_series(1, 900000) a, generate_series(1, 40) b"],
      PROJECT,
    );
    const told = await event.data;
    const shownMs = (await seen) - told.atUnixMs;
    expect(shownMs, "milliseconds from the event to the page").toBeLessThan(1000);
    const summary = String((told.data as { data: { summary: string } }).data.summary);
    expect(await card.getByRole("heading").textContent()).toBe(summary);
    await shot(page, "alert-arrived-desktop-light");

    await card.getByRole("button", { name: "Acknowledge" }).click();
    const dialog = page.getByRole("dialog", { name: "Look after this alert" });
    await dialog.getByLabel("Note").fill("The browser tests look after it.");
    await dialog.getByRole("button", { name: "Acknowledge" }).click();
    await card.getByText("The browser tests look after it.").waitFor();
    const [alert] = await firing();
    expect(alert).toMatchObject({
      acknowledged_by: "browser-alerts",
      acknowledged_note: "The browser tests look after it.",
    });

    await card.getByRole("button", { name: "Silence" }).click();
    const silence = page.getByRole("dialog", { name: "Silence alerts" });
    await silence.getByText("Fits 1 of the 1").waitFor();
    await silence.getByLabel("Reason").fill("It is a test.");
    await silence.getByRole("button", { name: "Silence" }).click();
    await silence.waitFor({ state: "hidden" });
    await card.getByText("silenced").waitFor({ timeout: 30_000 });
    await page.getByRole("tab", { name: "Silences" }).click();
    await page.getByRole("button", { name: "End now" }).click();
    await page
      .getByRole("dialog", { name: "End this silence" })
      .getByRole("button", { name: "End it" })
      .click();
    await page.getByText("over", { exact: true }).waitFor();
    await context.close();
  });

  it("are as many as the API says, with the figures it says", async () => {
    const alerts = await eventually("the alert is listed", async () => {
      const found = await firing();
      return found.length > 0 && found;
    });
    const context = await openContext(browser, { token: token.secret });
    const page = await context.newPage();
    await visit(page, "/alerts");
    expect(await page.getByRole("article").count()).toBe(alerts.length);
    for (const alert of alerts) await page.getByRole("heading", { name: alert.summary }).waitFor();
    await context.close();
  });
});
