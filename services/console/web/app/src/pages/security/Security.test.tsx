// The page as it stands before people: what is told now is there at once and once, emptiness and failure are said, and
// nobody is given a button that the console would refuse.
import type { ReactNode } from "react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { forgetAll } from "@/api/resource";
import { SessionProvider } from "@/api/session";
import type { Session } from "@/api/types";
import { type Shown, show } from "@/ui/testing";
import SecurityPage from "./index";
import type { FirewallResponse, SecurityOverview, Violation } from "./types";

const violation: Violation = {
  event_id: "e-1",
  project: "shop",
  rule: "tautology",
  action: "reported",
  severity: "warning",
  upstream: "main",
  database: "orders",
  user: "app",
  application: "",
  client: "192.0.2.7",
  door: "wire",
  summary: "An arm of OR is always true.",
  fingerprint: "0123456789abcdef",
  at_unix_ms: Date.now(),
  traceparent: "",
  count: 3,
  score: 60,
  rules: ["tautology", "comment-tail"],
};

const overview: SecurityOverview = {
  since_unix_ms: 1,
  blocked: 0,
  reported: 3,
  rules: [],
  clients: [],
  firewall: null,
  missing: ["pool-gateway: it is away"],
};

const firewall: FirewallResponse = {
  scopes: [
    {
      scope: { project: "shop", database: "orders", user: "app" },
      mode: "enforce",
      effective_mode: "monitor",
      mode_from: "operator",
      reason: "No shape is known yet.",
      threshold: 50,
      strictness: "balanced",
      forbidden: true,
      learned: 6,
      approved: 3,
      queued: 1,
      overflowed: 0,
      statements: 1200,
      reported: 3,
      blocked: 0,
      would_block: 3,
      reported_last_hour: 3,
      blocked_last_hour: 0,
      last_violation_unix_ms: 1,
      relaxed_unix_ms: 0,
    },
  ],
  modes: [],
  kept: false,
  reason: "the store is away",
  since_unix_ms: 1,
  next: null,
};

let answers: Record<string, () => Response>;
let say: (event: string, data: unknown) => void;
let shown: Shown;

const json =
  (body: unknown, status = 200) =>
  () =>
    new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

/** A stream that says what the test wants. */
function stream(): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start: (control) => {
      say = (event, data) =>
        control.enqueue(encoder.encode(`id: 1-1\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`));
    },
  });
  return new Response(body, { status: 200, headers: { "content-type": "text/event-stream" } });
}

beforeEach(() => {
  answers = {
    "/database/security/violations": json({ violations: [], next: null }),
    "/database/security/overview": json(overview),
    "/database/security/firewall": json(firewall),
    "/database/security/firewall/shapes": json({ shapes: [], next: null }),
  };
  vi.stubGlobal("fetch", async (path: string) => {
    const name = path.split("?")[0] ?? "";
    if (name === "/events") return stream();
    return (
      answers[name]?.() ?? json({ title: "Not found", status: 404, detail: "", slug: "not-found" }, 404)()
    );
  });
});

/** From then on the page changes by what it hears, not by what the test does. */
const isActing = (isOn: boolean) => Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: isOn });

afterEach(async () => {
  isActing(true);
  await shown.remove();
  forgetAll();
  vi.unstubAllGlobals();
  history.replaceState(null, "", "/");
});

const page = (more: Partial<Session> = {}) => {
  const session = { name: "a", project: "shop", role: "viewer", projects: ["shop"], ...more } as Session;
  return (
    <SessionProvider session={session} leave={() => undefined}>
      <SecurityPage />
    </SessionProvider>
  );
};

async function open(what: ReactNode): Promise<void> {
  shown = await show(what);
  isActing(false);
}

const text = () => shown.box.textContent?.replaceAll("\u00a0", " ") ?? "";
const until = (words: string) => vi.waitUntil(() => text().includes(words), { timeout: 4000 });

it("shows what is told at once, and once when the list has it too", async () => {
  await open(page());
  await until("No rule was broken");
  await until("the gateway does not answer");
  say("security.violation", { id: "e-1", data: violation });
  await until("An arm of OR is always true.");
  expect(text()).toContain("let through ×3");
  expect(text()).toContain("and comment-tail · score 60");
  const links = [...shown.box.querySelectorAll("td a")].map((link) => link.getAttribute("href"));
  expect(links).toEqual(["/queries/0123456789abcdef"]);
  let listed = false;
  answers["/database/security/violations"] = () => {
    listed = true;
    return json({ violations: [{ ...violation, at_unix_ms: Date.now() - 61_000 }], next: null })();
  };
  // Another event has the list read again; it is of another project and not shown.
  say("security.violation", { id: "e-2", data: { ...violation, project: "bank" } });
  await vi.waitUntil(() => listed);
  await until("1 min ago");
  expect(shown.box.querySelectorAll("tbody [data-row]")).toHaveLength(1);
});

it("says that the list cannot be read", async () => {
  answers["/database/security/violations"] = json(
    {
      title: "Away",
      status: 503,
      detail: "The tables are away.",
      slug: "console-store",
      type: "/docs/errors",
    },
    503,
  );
  await open(page());
  await until("Violations could not be read");
  expect(text()).toContain("The tables are away.");
});

it("tells the firewall in words, and gives a token of a project no button that changes it", async () => {
  history.replaceState(null, "", "/security?tab=firewall");
  const { startHistory } = await import("@/router");
  startHistory();
  await open(page({ role: "operator" }));
  await until("Enforce would have blocked 3 of 1,200 statements (0.3 %)");
  expect(text()).toContain("Enforce is set. No shape is known yet.");
  expect(text()).toContain("9 known, 3 of them approved; 1 waiting");
  expect(text()).toContain("Shapes are not kept now, and reach no other gateway: the store is away");
  expect(text()).toContain("Nothing waits");
  const changing = [...shown.box.querySelectorAll<HTMLButtonElement>("button")].filter((button) =>
    /^Change/.test(button.textContent ?? ""),
  );
  expect(changing).toHaveLength(2);
  expect(changing.every((button) => button.disabled)).toBe(true);
});
