// Windows of other zones on the viewer's clock: midnights, changes of summer time, every day and some days.
import { describe, expect, it } from "vitest";
import { blocksOf, dayStarts, momentOf, openingsOf, wallAt, weekStart } from "./openings";
import type { MaintenanceWindow } from "./types";

const window = (part: Partial<MaintenanceWindow>): MaintenanceWindow => ({
  project: "default",
  name: "night",
  weekdays: [],
  start: "22:00",
  end: "06:00",
  time_zone: "Europe/Vienna",
  disabled: false,
  source: "operator",
  in_force: true,
  ...part,
});
const VIENNA = "Europe/Vienna";
const at = (text: string) => Date.parse(text);

describe("clocks", () => {
  it("show what they show, in winter and in summer", () => {
    expect(wallAt(at("2026-01-15T11:00:00Z"), VIENNA)).toBe(at("2026-01-15T12:00:00Z"));
    expect(momentOf(at("2026-07-15T12:00:00Z"), VIENNA)).toBe(at("2026-07-15T10:00:00Z"));
  });
  it("know when a week begins", () => {
    // Sunday 23:30 UTC is Monday in Vienna.
    expect(weekStart(at("2026-11-29T23:30:00Z"), VIENNA)).toBe(at("2026-11-29T23:00:00Z"));
    expect(weekStart(at("2026-11-29T23:30:00Z"), "UTC")).toBe(at("2026-11-23T00:00:00Z"));
  });
  it("have a day of 25 hours when summer time ends", () => {
    const starts = dayStarts(weekStart(at("2026-10-24T12:00:00Z"), VIENNA), VIENNA);
    expect((starts[7] ?? 0) - (starts[6] ?? 0)).toBe(25 * 3_600_000);
  });
});

describe("openingsOf", () => {
  it("is about the next day where it ends before it begins", () => {
    const [first] = openingsOf(
      window({ weekdays: ["monday"] }),
      at("2026-11-30T00:00:00Z"),
      at("2026-12-07T00:00:00Z"),
    );
    expect(first).toMatchObject({
      fromUnixMs: at("2026-11-30T21:00:00Z"),
      toUnixMs: at("2026-12-01T05:00:00Z"),
    });
  });
  it("knows an opening that began before the span", () =>
    expect(openingsOf(window({}), at("2026-11-30T02:00:00Z"), at("2026-11-30T03:00:00Z"))).toHaveLength(1));
  it("lasts a whole day where it ends when it begins", () => {
    const [first] = openingsOf(
      window({ start: "00:00", end: "00:00", weekdays: ["sunday"], time_zone: "" }),
      at("2026-11-29T12:00:00Z"),
      at("2026-11-29T13:00:00Z"),
    );
    expect((first?.toUnixMs ?? 0) - (first?.fromUnixMs ?? 0)).toBe(86_400_000);
  });
});

describe("blocksOf", () => {
  const monday = weekStart(at("2026-12-02T12:00:00Z"), VIENNA);
  it("cuts a night at midnight", () => {
    const blocks = blocksOf([window({ weekdays: ["tuesday"] })], monday, VIENNA);
    expect(blocks.map(({ day, fromMinute, toMinute }) => [day, fromMinute, toMinute])).toEqual([
      [1, 1320, 1440],
      [2, 0, 360],
    ]);
  });
  it("shows hours of New York on a clock in Vienna", () => {
    const blocks = blocksOf(
      [window({ weekdays: ["monday"], start: "20:00", end: "23:00", time_zone: "America/New_York" })],
      monday,
      VIENNA,
    );
    expect(blocks.map(({ day, fromMinute, toMinute }) => [day, fromMinute, toMinute])).toEqual([
      [1, 120, 300],
    ]);
  });
  it("has every day of the week, and the end of Sunday's night on Monday", () =>
    expect(blocksOf([window({})], monday, VIENNA)).toHaveLength(14));
});
