// The restore wizard: what is asked for is what was chosen, and nothing of a choice taken back is left in it.
import { describe, expect, it } from "vitest";
import { type Choice, FIRST_CHOICE, fromField, missingOf, orderOf, toField } from "./wizard";

const choice = (part: Partial<Choice>): Choice => ({ ...FIRST_CHOICE, directory: "/srv/restore", ...part });

describe("orderOf", () => {
  it("goes to the end of the log where no moment is named", () =>
    expect(orderOf(choice({}))).toEqual({
      directory: "/srv/restore",
      target: {},
      delta: false,
      force: false,
    }));
  it("ends just before a commit, and at a time", () => {
    expect(orderOf(choice({ aim: "commit", xid: 812 })).target).toEqual({ xid: 812, before: true });
    expect(orderOf(choice({ aim: "time", timeUnixMs: 5 })).target).toEqual({ time_unix_ms: 5 });
  });
  it("forgets what belongs to another aim", () =>
    expect(orderOf(choice({ aim: "name", name: " before-import ", xid: 1, timeUnixMs: 5 })).target).toEqual({
      restore_point: "before-import",
    }));
  it("names only what was chosen", () => {
    const order = JSON.stringify(orderOf(choice({ afterwards: "promote", repository: "far", delta: true })));
    expect(order).toBe(
      '{"directory":"/srv/restore","target":{},"repository":"far","then":"promote","delta":true,"force":false}',
    );
  });
});

describe("missingOf", () => {
  it("asks for the moment and for a whole path", () => {
    expect(missingOf(choice({}))).toEqual([]);
    expect(missingOf(choice({ aim: "time" }))).toHaveLength(1);
    expect(missingOf(choice({ aim: "commit" }))).toHaveLength(1);
    expect(missingOf(choice({ aim: "name", name: " " }))).toHaveLength(1);
    expect(missingOf(choice({ directory: "restore" }))).toHaveLength(1);
  });
});

describe("fields", () => {
  it("bring a moment there and back, to the second", () => {
    const at = Date.UTC(2026, 10, 30, 14, 3, 27);
    expect(fromField(toField(at))).toBe(at);
  });
  it("know when there is none", () => {
    expect(toField(null)).toBe("");
    expect(fromField("")).toBeNull();
    expect(fromField("soon")).toBeNull();
  });
});
