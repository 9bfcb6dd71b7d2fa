// Chains of waiting sessions as trees: nobody is lost, nobody stands twice, circles end.
import { describe, expect, it } from "vitest";
import { type BlockNode, countBelow, treeOf } from "./chains";
import type { BlockedSession, BlockingChain, ServerSession } from "./types";

const session = (pid: number): ServerSession => ({
  upstream: "db:5432",
  pid,
  database: "shop",
  role: "app",
  application: "",
  state: "active",
  wait_event_type: "",
  wait_event: "",
  transaction_seconds: 1,
  state_seconds: 1,
  text: "",
  fingerprint: "",
  traceparent: "",
  address: "",
});
const waits = (pid: number, blocked_by: number[], blocked_seconds = 1): BlockedSession => ({
  session: session(pid),
  blocked_by,
  blocked_seconds,
  depth: 1,
});
const chain = (root: number | null, blocked: BlockedSession[], is_circle = false): BlockingChain => ({
  root: root === null ? null : session(root),
  is_circle,
  blocked_seconds: 1,
  blocked,
});
const shape = (node: BlockNode | null): unknown =>
  node && [node.session.pid, ...node.waiting.map((child) => shape(child))];

describe("treeOf", () => {
  it("puts each session under the one it waits for", () =>
    expect(shape(treeOf(chain(1, [waits(3, [2]), waits(2, [1]), waits(4, [1])])))).toEqual([
      1,
      [2, [3]],
      [4],
    ]));

  it("has a session that waits for several once, and says for whom else it waits", () => {
    const tree = treeOf(chain(1, [waits(2, [1]), waits(3, [2, 1])]));
    expect(shape(tree)).toEqual([1, [2], [3]]);
    expect(tree?.waiting[1]?.alsoFor).toEqual([2]);
  });

  it("ends where sessions wait in a circle", () => {
    const tree = treeOf(chain(null, [waits(1, [2], 5), waits(2, [1], 4)], true));
    expect(shape(tree)).toEqual([1, [2]]);
    expect(tree?.waitsSeconds).toBe(5);
    expect(tree?.alsoFor).toEqual([2]);
  });

  it("loses nobody whose blocker is not told of", () => {
    const tree = treeOf(chain(1, [waits(2, [99]), waits(3, [2])]));
    expect(shape(tree)).toEqual([1, [2, [3]]]);
    expect(tree && countBelow(tree)).toBe(2);
  });

  it("knows nothing of an empty chain", () => expect(treeOf(chain(null, []))).toBeNull());
});
