import { describe, expect, it } from "vitest";
import type { Alert } from "@/api";
import { alertOf, tell, withTold, worstFirst } from "./firing";
import type { AlertFiring } from "./types";

const FIRING: AlertFiring = {
  id: "a",
  rule: "slow-query",
  severity: "warning",
  project: "default",
  labels: {},
  summary: "slow",
  value: 2,
  threshold: 1,
  since_unix_ms: 10,
  fingerprint: "",
  runbook: "",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
};
const made = (id: string, more: Partial<Alert> = {}): Alert => ({ ...alertOf(FIRING), id, ...more });
const ids = (alerts: Alert[]) => alerts.map((alert) => alert.id).join("");

describe("alerts that fire", () => {
  it("stand worst first, cared for last, newest first", () => {
    const alerts = [
      made("a", { severity: "info" }),
      made("b", { since_unix_ms: 1 }),
      made("c", { since_unix_ms: 5 }),
      made("d", { severity: "critical", acknowledged_by: "x" }),
      made("e", { severity: "critical" }),
    ];
    expect(ids(worstFirst(alerts))).toBe("edcba");
  });

  it("come from events before the list knows them, and go with them", () => {
    const fired = tell(new Map(), { kind: "alert.firing", data: { data: FIRING } }, 10_000);
    expect(ids(withTold([made("b")], fired, 9000))).toBe("ab");
    expect(withTold([made("a", { acknowledged_by: "x" })], fired, 9000)[0]?.acknowledged_by).toBe("x");
    const ended = tell(fired, { kind: "alert.resolved", data: { data: { id: "a" } } }, 11_000);
    expect(ids(withTold([made("a"), made("b")], ended, 9000))).toBe("b");
  });

  it("are as the list has them once it is newer than what was told", () => {
    const fired = tell(new Map(), { kind: "alert.firing", data: { data: FIRING } }, 10_000);
    expect(ids(withTold([made("b")], fired, 11_000))).toBe("ab");
    expect(ids(withTold([made("b")], fired, 14_000))).toBe("b");
  });

  it("carry the trace of the event", () => {
    expect(alertOf(FIRING).traces).toEqual(["0af7651916cd43dd8448eb211c80319c"]);
    expect(alertOf({ ...FIRING, traceparent: "" }).traces).toEqual([]);
  });

  it("ignore events that say nothing", () => {
    const told = new Map();
    expect(tell(told, { kind: "alert.firing", data: {} }, 1)).toBe(told);
  });
});
