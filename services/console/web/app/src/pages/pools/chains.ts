// A chain of sessions that wait for each other, as a tree: under each session those that wait for it. Pure.
import type { BlockedSession, BlockingChain, ServerSession } from "./types";

export interface BlockNode {
  session: ServerSession;
  /** null: it waits for nobody. */
  waitsSeconds: number | null;
  /** For whom else it waits, beside the one above it. */
  alsoFor: number[];
  waiting: BlockNode[];
}

/** One tree for a chain; where sessions wait in a circle there is no root, and the first one of the circle stands for it. */
export function treeOf(chain: BlockingChain): BlockNode | null {
  const blocked = chain.blocked.filter((one): one is Known => one.session !== null);
  const first = chain.is_circle
    ? (blocked[0]?.session ?? chain.root)
    : (chain.root ?? blocked[0]?.session ?? null);
  if (!first) return null;
  const placed = new Set<number>([first.pid]);
  const start = blocked.find((one) => one.session.pid === first.pid);
  const root: BlockNode = {
    session: first,
    waitsSeconds: start ? start.blocked_seconds : null,
    alsoFor: start ? start.blocked_by : [],
    waiting: [],
  };
  fill(root, blocked, placed);
  // Whoever waits only for sessions that are not told of still belongs to the chain.
  for (const left of blocked) {
    if (placed.has(left.session.pid)) continue;
    placed.add(left.session.pid);
    const node = nodeOf(left, first.pid);
    root.waiting.push(node);
    fill(node, blocked, placed);
  }
  return root;
}

type Known = BlockedSession & { session: ServerSession };

/** Level by level, so that each session stands as near to the root as it can. */
function fill(root: BlockNode, blocked: readonly Known[], placed: Set<number>): void {
  let level = [root];
  while (level.length > 0) {
    const next: BlockNode[] = [];
    for (const node of level) {
      for (const one of blocked) {
        if (placed.has(one.session.pid) || !one.blocked_by.includes(node.session.pid)) continue;
        placed.add(one.session.pid);
        const child = nodeOf(one, node.session.pid);
        node.waiting.push(child);
        next.push(child);
      }
    }
    level = next;
  }
}

const nodeOf = (one: Known, above: number): BlockNode => ({
  session: one.session,
  waitsSeconds: one.blocked_seconds,
  alsoFor: one.blocked_by.filter((pid) => pid !== above),
  waiting: [],
});

/** All who wait, in the tree below a node. */
export const countBelow = (node: BlockNode): number =>
  node.waiting.reduce((sum, child) => sum + 1 + countBelow(child), 0);
