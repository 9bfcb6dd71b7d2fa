// What the browser tests stand on: where Weir is, the browser, calls beside the page, and PostgreSQL's own word.
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const run = promisify(execFile);

function wanted(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: tests/run sets it`);
  return value;
}

export const URL_OF_WEIR = wanted("WEIR_URL").replace(/\/$/, "");
export const OUT = process.env.WEIR_OUT ?? "out";
mkdirSync(OUT, { recursive: true });

/** Whether a merge waits for it: one theme is enough then. */
export const IS_SHORT = Boolean(process.env.WEIR_SHORT);

export type Theme = "light" | "dark";
export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };

export const openBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });

interface ContextOptions {
  theme?: Theme;
  size?: { width: number; height: number };
  token?: string;
}

/** A viewer of their own. With a token, it is in this tab as the login would have put it there. */
export async function openContext(browser: Browser, options: ContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext({
    viewport: options.size ?? DESKTOP,
    colorScheme: options.theme ?? "light",
    reducedMotion: "reduce",
    timezoneId: "Europe/Berlin",
    // So that the checker of accessibility may be put into the page.
    bypassCSP: true,
  });
  if (options.token)
    await context.addInitScript((token) => sessionStorage.setItem("weir.token", token), options.token);
  return context;
}

/** Faults that the page itself tells of, in its console or by throwing. */
export function watchFaults(page: Page): string[] {
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  return faults;
}

/** Opens a page and waits until nothing of it is loading any more. */
export async function visit(page: Page, path: string): Promise<void> {
  await page.goto(URL_OF_WEIR + path);
  await page.locator("main h1:not(.sr-only)").first().waitFor();
  await settle(page);
}

export async function settle(page: Page): Promise<void> {
  await page.waitForFunction(
    () => document.querySelectorAll('[role="status"][aria-label^="Loading"]').length === 0,
    undefined,
    { timeout: 30_000 },
  );
}

/** Waits until the page hears the live stream. */
export const live = (page: Page): Promise<void> =>
  page.locator('[data-phase="live"]').waitFor({ state: "attached", timeout: 30_000 });

export async function shot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(OUT, `${name}.png`), fullPage: true });
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface AxeFinding {
  id: string;
  impact: string | null;
  nodes: { html: string; failureSummary?: string }[];
}

/** What axe finds serious or critical. */
export async function faultsOfAccess(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: { run: (what: Document, how: object) => Promise<{ violations: AxeFinding[] }> };
    };
    return (await axe.run(document, { resultTypes: ["violations"] })).violations;
  });
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(
      ({ id, impact, nodes }) =>
        `${impact} ${id}: ${nodes[0]?.html.slice(0, 200)} ${nodes[0]?.failureSummary ?? ""}`,
    );
}

interface AskOptions {
  token?: string;
  method?: string;
  body?: unknown;
}

export async function ask(path: string, options: AskOptions = {}): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (options.token) headers.authorization = `Bearer ${options.token}`;
  if (options.body !== undefined) headers["content-type"] = "application/json";
  return fetch(URL_OF_WEIR + path, {
    method: options.method ?? "GET",
    headers,
    body: options.body === undefined ? null : JSON.stringify(options.body),
  });
}

export async function answerOf<T>(path: string, options: AskOptions = {}): Promise<T> {
  const response = await ask(path, options);
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

/** One value from PostgreSQL itself, past Weir. */
export async function postgres(sql: string): Promise<string> {
  const { stdout } = await run("psql", ["-XAtqw", "-v", "ON_ERROR_STOP=1", "-c", sql, wanted("WEIR_PG_URL")]);
  return stdout.trim();
}

/** Runs statements through Weir's PostgreSQL door, in one session. */
export async function throughWeir(statements: readonly string[], project = ""): Promise<void> {
  const [host = "", port = ""] = wanted("WEIR_WIRE").split(":");
  const direct = new URL(wanted("WEIR_PG_URL"));
  direct.hostname = host;
  direct.port = port;
  const env = { ...process.env, ...(project ? { PGOPTIONS: `-c weir.project=${project}` } : {}) };
  const args = statements.flatMap((sql) => ["-c", sql]);
  await run("psql", ["-XAtqw", "-v", "ON_ERROR_STOP=1", ...args, direct.href], { env, maxBuffer: 1 << 24 });
}

/** `aaa`, `aab`, …: names that differ in letters, for digits in a name do not make another shape. */
const lettersOf = (index: number): string =>
  [676, 26, 1].map((place) => String.fromCharCode(97 + (Math.floor(index / place) % 26))).join("");

/** Runs so many statements that are no two of one shape: `with shape_aaa as …`. */
export async function manyShapes(shapes: number, project: string): Promise<void> {
  const statements = Array.from({ length: shapes }, (_, index) => {
    const name = `shape_${lettersOf(index)}`;
    return `with ${name} as (select ${index} as number) select number from ${name}`;
  });
  await throughWeir(statements, project);
}

/** A token of a project, with which the page shows that project and nothing else. */
export async function tokenOf(project: string, name: string): Promise<{ secret: string; id: string }> {
  const made = await answerOf<{ secret: string; token: { id: string } }>("/database/tokens", {
    method: "POST",
    body: { name, project, role: "operator" },
  });
  return { secret: made.secret, id: made.token.id };
}

/** Runs a command that was given in the environment. */
export async function command(name: string): Promise<void> {
  await run("bash", ["-c", wanted(name)]);
}

/** Waits until something holds; the last reason why not is told. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | null | undefined | false>,
  withinMs = 60_000,
): Promise<T> {
  const until = Date.now() + withinMs;
  let last: unknown = "it does not hold";
  for (;;) {
    try {
      const seen = await look();
      if (seen !== null && seen !== undefined && seen !== false) return seen;
    } catch (thrown) {
      last = thrown;
    }
    if (Date.now() > until) throw new Error(`${what}: not within ${withinMs} ms (${String(last)})`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Plain spaces, as in what a test expects. */
export const plain = (text: string | null): string => (text ?? "").replaceAll(/[\u00a0\u202f]/g, " ").trim();
