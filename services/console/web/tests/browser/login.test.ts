// The login, and what a token of a project sees: its own, and nothing else.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  answerOf,
  ask,
  eventually,
  openBrowser,
  openContext,
  settle,
  shot,
  throughWeir,
  URL_OF_WEIR,
  visit,
} from "./stage";

interface Made {
  secret: string;
  token: { id: string };
}

const OWN = "probe-shop";
const made: string[] = [];
let browser: Browser;
let secret = "";

async function makeToken(project: string | null, role: string): Promise<string> {
  const body = { name: `browser-${project ?? "all"}-${role}`, project, role };
  const answer = await answerOf<Made>("/database/tokens", { method: "POST", body });
  made.push(answer.token.id);
  return answer.secret;
}

beforeAll(async () => {
  browser = await openBrowser();
  secret = await makeToken(OWN, "viewer");
  await throughWeir(["select count(*) as of_the_probe from shop.customers"], OWN);
  await eventually("the project's statement is counted", async () => {
    const path = "/database/monitoring/queries?search=of_the_probe";
    const { queries } = await answerOf<{ queries: unknown[] }>(path, { token: secret });
    return queries.length === 1;
  });
});
afterAll(async () => {
  for (const id of made) await ask(`/database/tokens/${id}`, { method: "DELETE" });
  await browser.close();
});

describe("the login", () => {
  it("refuses a token that is none, and lets one in that is", async () => {
    const context = await openContext(browser);
    const page = await context.newPage();
    await page.goto(`${URL_OF_WEIR}/login?to=/queries`);
    const field = page.getByLabel("Token");
    await field.fill("weir_not-one-of-them");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("The console does not know this token.").waitFor();
    await shot(page, "login-desktop-light");
    await field.fill(secret);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.waitForURL((url) => url.pathname === "/queries");
    await page.getByText(`browser-${OWN}-viewer`).first().waitFor();
    await context.close();
  });

  it("is asked for again when the token is revoked", async () => {
    const answer = await answerOf<Made>("/database/tokens", {
      method: "POST",
      body: { name: "browser-revoked", project: OWN, role: "viewer" },
    });
    const context = await openContext(browser, { token: answer.secret });
    const page = await context.newPage();
    await visit(page, "/alerts");
    await ask(`/database/tokens/${answer.token.id}`, { method: "DELETE" });
    await page.waitForURL((url) => url.pathname === "/login", { timeout: 60_000 });
    await page.getByText("no longer accepted").waitFor();
    await context.close();
  });
});

describe("a token of a project", () => {
  it("sees the project's statements and nobody else's", async () => {
    const context = await openContext(browser, { token: secret });
    const page = await context.newPage();
    await visit(page, "/queries");
    await page.getByText("of_the_probe").first().waitFor();
    expect(await page.getByText("shop.products").count()).toBe(0);
    const others = await ask("/database/monitoring/queries?project=default", { token: secret });
    expect(others.status).toBe(403);
    await context.close();
  });

  it.each([
    ["/security?tab=audit", "The audit: not with this token"],
    ["/security?tab=tokens", "Tokens: not with this token"],
    ["/alerts?tab=rules", "Rules: not with this token"],
    ["/alerts?tab=channels", "Channels: not with this token"],
    ["/settings", "Settings: not with this token"],
    ["/testing", "Verification and benchmark: not with this token"],
  ])("is told calmly that %s is not for it", async (path, words) => {
    const context = await openContext(browser, { token: secret });
    const page = await context.newPage();
    await visit(page, path);
    await page.getByText(words).waitFor();
    await settle(page);
    await context.close();
  });

  it("that may only look has no button that changes anything", async () => {
    const viewer = await makeToken(null, "viewer");
    const context = await openContext(browser, { token: viewer });
    const page = await context.newPage();
    const changing =
      /^(Acknowledge|Silence|New silence|End now|Change|Switch|Reset|Test|New token|Revoke|Apply|Take back|Approve|Forget|Run comprehensive|Quick benchmark|Pause|Resume)/;
    for (const path of [
      "/alerts",
      "/alerts?tab=silences",
      "/alerts?tab=rules",
      "/alerts?tab=channels",
      "/security?tab=firewall",
      "/security?tab=tokens",
      "/advice",
      "/advice?tab=changes",
      "/testing",
      "/pools",
    ]) {
      await visit(page, path);
      const buttons = page.getByRole("button", { name: changing, disabled: false });
      expect(await buttons.allTextContents(), path).toEqual([]);
    }
    await context.close();
  });
});
