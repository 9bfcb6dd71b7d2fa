// The reader of the event stream, against pieces cut at any place.
import { describe, expect, it } from "vitest";
import { backOffMs, isWanted, makeParser } from "./sse";

const STREAM =
  'id: 7-1\nevent: figures\ndata: {"a":1}\n\n: beat\n\nid: 7-2\r\nevent: gap\r\ndata: {\r\ndata: "missed":null}\r\n\r\ndata: x\n\n';
const WANTED = [
  { id: "7-1", event: "figures", data: '{"a":1}' },
  { id: "7-2", event: "gap", data: '{\n"missed":null}' },
  { id: "7-2", event: "message", data: "x" },
];

describe("makeParser", () => {
  it("reads a whole stream", () => expect(makeParser().push(STREAM)).toEqual(WANTED));
  it("reads it however it is cut", () => {
    for (const size of [1, 2, 3, 5, 7, 11]) {
      const parser = makeParser();
      const got = [];
      for (let at = 0; at < STREAM.length; at += size) got.push(...parser.push(STREAM.slice(at, at + size)));
      expect(got, `pieces of ${size}`).toEqual(WANTED);
    }
  });
  it("gives nothing for an event that has not ended", () =>
    expect(makeParser().push("data: x\n")).toEqual([]));
});

describe("isWanted", () => {
  it("takes first words and whole kinds", () => {
    expect(isWanted("alert.firing", ["alert"])).toBe(true);
    expect(isWanted("alert.firing", ["alert.firing"])).toBe(true);
    expect(isWanted("alert.firing", ["alert.resolved", "al"])).toBe(false);
  });
});

describe("backOffMs", () => {
  it("doubles up to a bound and takes off up to a half", () => {
    expect([1, 2, 3, 6, 50].map((attempt) => backOffMs(attempt, 0))).toEqual([
      500, 1000, 2000, 15_000, 15_000,
    ]);
    expect(backOffMs(2, 1)).toBe(500);
  });
});
