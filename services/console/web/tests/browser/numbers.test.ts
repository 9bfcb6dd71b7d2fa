// Numbers on the page equal those of the API, and those of PostgreSQL itself where it can be asked.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { countFigure, duration, exact, rateFigure } from "../../app/src/format";
import { firstEvent } from "./events";
import {
  answerOf,
  eventually,
  openBrowser,
  openContext,
  plain,
  postgres,
  settle,
  throughWeir,
  visit,
} from "./stage";

let browser: Browser;
let page: Page;
beforeAll(async () => {
  browser = await openBrowser();
  page = await (await openContext(browser)).newPage();
});
afterAll(() => browser.close());

const cell = (row: ReturnType<Page["getByRole"]>, title: string) => row.locator(`td[data-title="${title}"]`);

describe("queries", () => {
  it("are called as often as they were, by the page, the API and PostgreSQL", async () => {
    // Letters alone: digits of a name are no literals, but nobody has to know that.
    const word = `counted_${Array.from({ length: 8 }, () => String.fromCharCode(97 + Math.floor(Math.random() * 26))).join("")}`;
    const times = 37;
    await postgres("create extension if not exists pg_stat_statements");
    await throughWeir(Array.from({ length: times }, () => `select clock_timestamp() as ${word}`));
    const path = `/database/monitoring/queries?search=${word}`;
    const [known] = await eventually("all calls are counted", async () => {
      const { queries } = await answerOf<{ queries: { calls: number; p95_ms: number; rows: number }[] }>(
        path,
      );
      return queries[0]?.calls === times && queries;
    });
    const itself = await postgres(
      `select sum(calls) from pg_stat_statements where query like 'select clock_timestamp() as ${word}%'`,
    );
    expect(Number(itself)).toBe(times);
    await visit(page, `/queries?search=${word}`);
    const row = page.getByRole("row").filter({ hasText: word });
    await row.waitFor();
    expect(plain(await cell(row, "Calls").textContent())).toBe(exact(times));
    expect(plain(await cell(row, "p95").textContent())).toBe(plain(duration(known?.p95_ms)));
  });
});

/** How connections of the pool call themselves: as Weir when idle, and else as who has them, which is one of these here. */
const BY_THE_POOL = "'weir', 'weir demo', 'weir console', 'psql'";

describe("pools", () => {
  interface PoolNow {
    pool: { database: string; role: string; total: number; max: number };
  }
  const pools = async () => (await answerOf<{ pools: PoolNow[] }>("/database/connection-pool")).pools;
  const backends = async (database: string): Promise<number> =>
    Number(
      await postgres(
        `select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
         and datname = '${database}' and application_name in (${BY_THE_POOL})`,
      ),
    );

  it("have as many connections as PostgreSQL says, and the page says so", async () => {
    await eventually("the API and PostgreSQL agree", async () => {
      const before = await pools();
      const known = await Promise.all(before.map(({ pool }) => backends(pool.database)));
      const sums = new Map<string, number>();
      for (const { pool } of before) sums.set(pool.database, (sums.get(pool.database) ?? 0) + pool.total);
      return before.length > 0 && before.every(({ pool }, index) => sums.get(pool.database) === known[index]);
    });
    await visit(page, "/pools");
    await eventually("the page says what the API says", async () => {
      const [{ pool }] = (await pools()) as [PoolNow];
      const row = page.getByRole("row").filter({ hasText: pool.database }).first();
      return plain(await row.textContent()).includes(`${pool.total} open of ${pool.max}`);
    });
  });

  it("are never larger than the API says they may be", async () => {
    for (const { pool } of await pools()) expect(await backends(pool.database)).toBeLessThanOrEqual(pool.max);
  });
});

describe("the overview", () => {
  it("shows the figures of the live stream, each second", async () => {
    await visit(page, "/");
    const { data } = await firstEvent("figures", { project: "default", token: "" }).data;
    const figures = data as { queries_per_second: number; alerts: Record<string, number> };
    expect(figures.queries_per_second).toBeGreaterThan(0);
    // The page may be one beat ahead or behind: any of the next few will do.
    await eventually("the page shows a figure of the stream", async () => {
      const next = (await firstEvent("figures", { project: "default", token: "" }).data)
        .data as typeof figures;
      const shown = plain(await page.locator("dl", { hasText: "Throughput" }).first().textContent());
      return shown.includes(rateFigure(next.queries_per_second).value);
    });
    const alerts = plain(await page.locator("dl", { hasText: "Alerts" }).first().textContent());
    const sum = Object.values(figures.alerts).reduce((all, one) => all + one, 0);
    expect(alerts).toContain(countFigure(sum).value);
  });

  it("has the sums of all projects beside it, for the operator", async () => {
    interface Sums {
      project: string;
      queries_per_second: number | null;
      p50_ms: number | null;
      p99_ms: number | null;
      jobs_running: number | null;
    }
    const sums = await eventually("what runs is told of all projects", async () => {
      const { data } = await firstEvent("figures", { project: "*", token: "" }).data;
      const told = data as Sums;
      return (told.queries_per_second ?? 0) > 0 && told.p50_ms !== null && told.jobs_running !== null && told;
    });
    expect(sums.project).toBe("*");
    expect(sums.p50_ms).toBeLessThanOrEqual(sums.p99_ms ?? 0);
    // The same figures in the same words, where they are asked for.
    const { figures } = await answerOf<{ figures: object }>("/database/monitoring/dashboard?project=*");
    expect(Object.keys(figures).sort()).toEqual(Object.keys(sums).sort());
  });
});

describe("lists are as long as the API says", () => {
  const rowsOf = async (label: string) => {
    const table = page.getByRole("table", { name: label });
    await table.waitFor();
    return Number(await table.getAttribute("aria-rowcount")) - 1;
  };

  it("rules of alerts", async () => {
    const { rules } = await answerOf<{ rules: { name: string; metric: string }[] }>(
      "/database/monitoring/rules",
    );
    await visit(page, "/alerts?tab=rules");
    expect(await rowsOf("All rules")).toBe(rules.length);
    expect(rules.length).toBeGreaterThan(20);
  });

  it("tokens", async () => {
    const name = `browser-counted-${Date.now()}`;
    const { token } = await answerOf<{ token: { id: string } }>("/database/tokens", {
      method: "POST",
      body: { name, project: "default", role: "viewer" },
    });
    await visit(page, "/security?tab=tokens");
    const { tokens } = await answerOf<{ tokens: unknown[] }>("/database/tokens");
    expect(await rowsOf("All tokens")).toBe(tokens.length);
    const row = page.getByRole("row").filter({ hasText: name });
    await row.getByRole("button", { name: `Revoke ${name}` }).click();
    const dialog = page.getByRole("dialog", { name: "Revoke a token" });
    await dialog.getByLabel(`Type ${name} to confirm`).fill(name);
    await dialog.getByRole("button", { name: "Revoke it" }).click();
    await row.waitFor({ state: "detached" });
    const after = await answerOf<{ tokens: { id: string }[] }>("/database/tokens");
    expect(after.tokens.some(({ id }) => id === token.id)).toBe(false);
  });

  it("the audit begins with what was done last", async () => {
    await visit(page, "/security?tab=audit&method=DELETE");
    const first = page.getByRole("table", { name: "Entries of the audit" }).getByRole("row").nth(1);
    const { entries } = await answerOf<{ entries: { action: string; target: string; status: number }[] }>(
      "/database/security/audit?limit=100",
    );
    const latest = entries.find((entry) => entry.action.startsWith("DELETE "));
    const text = plain(await first.textContent());
    expect(text).toContain(latest?.target);
    expect(text).toContain(String(latest?.status));
  });

  it("settings", async () => {
    const { settings } = await answerOf<{ settings: { key: string; value: string | null }[] }>(
      "/database/configuration",
    );
    await visit(page, "/settings");
    await settle(page);
    expect(plain(await page.locator("main").textContent())).toContain(`${exact(settings.length)} setting`);
    const listen = settings.find(({ key }) => key === "console.listen");
    await page
      .getByText(listen?.value ?? "no value", { exact: true })
      .first()
      .waitFor();
  });

  it("advice", async () => {
    const { recommendations } = await answerOf<{ recommendations: { summary: string }[] }>(
      "/database/monitoring/recommendations",
    );
    await visit(page, "/advice");
    const shown = await page.getByRole("list", { name: "Advice" }).getByRole("article").count();
    expect(shown).toBe(Math.min(50, recommendations.length));
  });
});
