// Recoverable ranges: inside, nearest, gaps, what one repository alone holds; chains of backups that end.
import { describe, expect, it } from "vitest";
import {
  chainOf,
  cutTo,
  gapsOf,
  isRecoverable,
  lsnText,
  nearestRecoverable,
  reachOf,
  spansOf,
  ticksOf,
} from "./recovery";
import type { Backup, RecoveryWindow } from "./types";

const window = (from_unix_ms: number, to_unix_ms: number, backup_ids: string[] = []): RecoveryWindow => ({
  from_unix_ms,
  to_unix_ms,
  backup_ids,
  from: null,
  to: null,
});
const backup = (id: string, ended_unix_ms: number, repositories: string[], based_on_id = ""): Backup => ({
  id,
  cluster: "main",
  project: "",
  kind: "full",
  state: "proven",
  started_unix_ms: ended_unix_ms,
  ended_unix_ms,
  based_on_id,
  source_bytes: 0,
  stored_bytes: 0,
  stored_objects: 0,
  repositories,
  server_version: 0,
  compression: "zstd",
  encryption: null,
  proof: null,
  note: "",
  keep: false,
  expires_unix_ms: 0,
  corrupt_pages: 0,
  start: null,
  stop: null,
  system_identifier: 0,
});
const windows = [window(100, 200), window(300, 400)];

describe("recoverable moments", () => {
  it("are those in a window, its ends included", () => {
    expect([100, 150, 200, 400].every((at) => isRecoverable(windows, at))).toBe(true);
    expect([99, 250, 401].some((at) => isRecoverable(windows, at))).toBe(false);
  });
  it("have a nearest one", () => {
    expect([50, 150, 240, 260, 900].map((at) => nearestRecoverable(windows, at))).toEqual([
      100, 150, 200, 300, 400,
    ]);
    expect(nearestRecoverable([], 1)).toBeNull();
  });
  it("have gaps between, and ends", () => {
    expect(gapsOf(windows)).toEqual([{ fromUnixMs: 200, toUnixMs: 300 }]);
    expect(gapsOf([window(1, 5), window(2, 3), window(5, 9)])).toEqual([]);
    expect(reachOf(windows)).toEqual({ fromUnixMs: 100, toUnixMs: 400 });
    expect(reachOf([])).toBeNull();
  });
});

describe("what one repository gives back", () => {
  const backups = [backup("a", 90, ["disk", "far"]), backup("b", 320, ["disk"]), backup("c", 350, ["far"])];
  const of = (name: string) =>
    spansOf([window(100, 200, ["a"]), window(325, 400, ["b", "c"])], backups, name);
  it("begins with its own first backup in each window", () => {
    expect(of("disk")).toEqual([
      { fromUnixMs: 100, toUnixMs: 200 },
      { fromUnixMs: 325, toUnixMs: 400 },
    ]);
    expect(of("far")).toEqual([
      { fromUnixMs: 100, toUnixMs: 200 },
      { fromUnixMs: 350, toUnixMs: 400 },
    ]);
  });
  it("is nothing where it holds nothing", () => expect(of("none")).toEqual([]));
});

it("cuts a span to what is shown", () => {
  const shown = { fromUnixMs: 0, toUnixMs: 100 };
  expect(cutTo({ fromUnixMs: 50, toUnixMs: 150 }, shown)).toEqual({ left: 50, width: 50 });
  expect(cutTo({ fromUnixMs: -50, toUnixMs: 25 }, shown)).toEqual({ left: 0, width: 25 });
  expect(cutTo({ fromUnixMs: 150, toUnixMs: 160 }, shown)).toBeNull();
});

describe("chainOf", () => {
  it("goes back to the full one", () => {
    const all = [backup("c", 3, [], "b"), backup("b", 2, [], "a"), backup("a", 1, [])];
    expect(chainOf(all, all[0] as Backup).map((one) => one.id)).toEqual(["b", "a"]);
  });
  it("ends where one is not listed, or where it would go round", () => {
    expect(chainOf([], backup("x", 1, [], "gone"))).toEqual([]);
    const round = [backup("a", 1, [], "b"), backup("b", 1, [], "a")];
    expect(chainOf(round, round[0] as Backup).map((one) => one.id)).toEqual(["b"]);
  });
});

it("has a handful of ticks for any span", () => {
  for (const days of [0.2, 1, 3, 7, 30, 90]) {
    const ticks = ticksOf({
      fromUnixMs: Date.UTC(2026, 10, 1, 3),
      toUnixMs: Date.UTC(2026, 10, 1, 3) + days * 86_400_000,
    });
    expect(ticks.length).toBeGreaterThanOrEqual(2);
    expect(ticks.length).toBeLessThanOrEqual(8);
  }
});

it("writes places in the log as PostgreSQL does", () =>
  expect(lsnText({ timeline: 1, lsn: 0x1_4a00_00f8 })).toBe("1/4A0000F8"));
