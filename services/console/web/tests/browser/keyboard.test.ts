// Without a mouse: to the content, through the menu, along tabs, into a dialog and out of it.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openBrowser, openContext, visit } from "./stage";

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser.close());

interface Focused {
  name: string;
  tag: string;
  isSeen: boolean;
}

const focused = (page: Page): Promise<Focused> =>
  page.evaluate(() => {
    const element = document.activeElement as HTMLElement;
    const outer = element.closest("label, button, a, input, select, textarea, [tabindex]") ?? element;
    const style = getComputedStyle(
      outer.matches("input[type=radio]") ? (outer.parentElement ?? outer) : outer,
    );
    return {
      name: (element.getAttribute("aria-label") ?? element.textContent ?? "").trim(),
      tag: element.tagName,
      isSeen: style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) > 0,
    };
  });

async function tabTo(page: Page, name: string | RegExp, most = 60): Promise<void> {
  for (let step = 0; step < most; step += 1) {
    await page.keyboard.press("Tab");
    const at = await focused(page);
    expect(at.isSeen, `the focus is seen on ${at.tag} ${at.name}`).toBe(true);
    if (typeof name === "string" ? at.name === name : name.test(at.name)) return;
  }
  throw new Error(`${name} is not reached within ${most} steps`);
}

describe("by keyboard alone", () => {
  it("one skips to the content, and goes by the menu to a page whose heading takes the focus", async () => {
    const context = await openContext(browser);
    const page = await context.newPage();
    await visit(page, "/");
    await page.keyboard.press("Tab");
    expect((await focused(page)).name).toBe("Skip to the content");
    await tabTo(page, /^Alerts/);
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => url.pathname === "/alerts");
    await page.waitForFunction(() => document.activeElement?.tagName === "H1");
    await context.close();
  });

  it("one walks along tabs with arrows, and they are in the address", async () => {
    const context = await openContext(browser);
    const page = await context.newPage();
    await visit(page, "/alerts");
    await page.getByRole("tab", { name: /Firing/ }).focus();
    await page.keyboard.press("ArrowRight");
    await page.getByRole("tab", { name: "Resolved", selected: true }).waitFor();
    expect(page.url()).toContain("tab=resolved");
    await page.keyboard.press("End");
    await page.getByRole("tab", { name: "Channels", selected: true }).waitFor();
    await context.close();
  });

  it("one makes a silence's dialog appear, stays in it, and leaves it where one was", async () => {
    const context = await openContext(browser);
    const page = await context.newPage();
    await visit(page, "/alerts?tab=silences");
    const opener = page.getByRole("button", { name: "New silence" });
    await opener.focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Silence alerts" });
    await dialog.waitFor();
    for (let step = 0; step < 20; step += 1) {
      await page.keyboard.press("Tab");
      const isOut = await page.evaluate(() => {
        const at = document.activeElement;
        return at !== null && at !== document.body && at.closest("dialog[open]") === null;
      });
      expect(isOut, "the focus left the dialog for what is behind it").toBe(false);
    }
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    expect((await focused(page)).name).toContain("New silence");
    await context.close();
  });
});
