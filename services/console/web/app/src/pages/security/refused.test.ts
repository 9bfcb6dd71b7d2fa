import { describe, expect, it } from "vitest";
import { gatherRefused, outcomeOf } from "./refused";
import type { AuditEntry } from "./types";

const entry = (actor: string, action: string, at_unix_ms: number, status = 403): AuditEntry => ({
  id: at_unix_ms,
  at_unix_ms,
  actor,
  token: null,
  project: null,
  action,
  target: "/",
  remote: "10.0.0.1",
  status,
});

describe("what was refused", () => {
  it("is gathered by who asked, the most frequent first", () => {
    const gathered = gatherRefused([
      entry("unknown", "GET /session", 5, 401),
      entry("ci", "POST /database/backup/create", 4),
      entry("ci", "DELETE /database/tokens/{id}", 9),
      entry("ci", "DELETE /database/tokens/{id}", 2, 429),
    ]);
    expect(gathered.map(({ actor, count }) => [actor, count])).toEqual([
      ["ci", 3],
      ["unknown", 1],
    ]);
    expect(gathered[0]).toMatchObject({ lastUnixMs: 9, statuses: [403, 429] });
    expect(gathered[0]?.actions[0]).toEqual({ action: "DELETE /database/tokens/{id}", count: 2 });
  });

  it("keeps callers of other addresses apart", () => {
    const other = { ...entry("ci", "GET /x", 1), remote: "10.0.0.2" };
    expect(gatherRefused([entry("ci", "GET /x", 1), other])).toHaveLength(2);
  });

  it("is told from what was done or failed", () => {
    expect([204, 403, 404, 503, null].map((status) => outcomeOf(status).word)).toEqual([
      "done",
      "refused",
      "not done",
      "failed",
      "no answer",
    ]);
  });
});
