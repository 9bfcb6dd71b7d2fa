import { describe, expect, it } from "vitest";
import { dryRunWords, glanceWords, keyOf, learnedPart, modeWords, scopeWords } from "./firewall";
import type { FirewallAtAGlance } from "./types";

const SINCE = Date.UTC(2026, 10, 30, 12);
const plain = (text: string) => text.replaceAll("\u00a0", " ");

const dry = (effective_mode: "monitor" | "enforce", statements: number, would_block: number, blocked = 0) =>
  plain(dryRunWords({ effective_mode, statements, would_block, blocked }, SINCE)).replace(/ since .*/, "");

describe("what enforcing would do", () => {
  it("is a sentence with the part of all statements", () => {
    expect(dry("monitor", 1200, 3)).toBe("Enforce would have blocked 3 of 1,200 statements (0.3 %)");
    expect(dry("monitor", 1200, 0)).toBe("Enforce would have blocked nothing of 1,200");
    expect(dry("monitor", 0, 0)).toBe("No statement was judged");
  });

  it("is what it did where it holds", () => {
    expect(dry("enforce", 1200, 3, 1)).toBe("1 statement of 1,200 was blocked");
    expect(dry("enforce", 1200, 3, 3)).toBe("3 statements of 1,200 were blocked");
  });
});

describe("whose", () => {
  it("is said, and all where a part is empty", () => {
    expect(scopeWords({ project: "shop", database: "orders", user: "app" })).toBe("app on orders");
    expect(scopeWords({ project: "shop", database: "", user: "" })).toBe("every role on every database");
    expect(scopeWords(null)).toBe("every role on every database of every project");
  });

  it("has a key that names with a slash do not share", () => {
    const one = keyOf({ project: "p", database: "a/b", user: "c" });
    expect(one).not.toBe(keyOf({ project: "p", database: "a", user: "b/c" }));
  });
});

describe("learning", () => {
  it("is as far as shapes are known", () => {
    expect(learnedPart({ learned: 6, approved: 3, queued: 1 })).toBe(0.9);
    expect(learnedPart({ learned: 0, approved: 0, queued: 0 })).toBeNull();
  });
});

describe("the firewall of everybody", () => {
  const none: FirewallAtAGlance = {
    off: 0,
    learn: 0,
    monitor: 0,
    enforce: 0,
    relaxed: 0,
    learned: 0,
    approved: 0,
    queued: 0,
    statements: 0,
    blocked: 0,
    would_block: 0,
    kept: true,
    since_unix_ms: 0,
  };

  it("is the mode of most, with the others beneath", () => {
    expect(plain(glanceWords({ ...none, enforce: 3 }).note)).toBe("3 users");
    const mixed = glanceWords({ ...none, enforce: 1, monitor: 2, relaxed: 1 });
    expect([mixed.value, mixed.note]).toEqual(["Monitor", "1 enforce, 2 monitor; 1 not as set"]);
    expect(glanceWords(none).note).toBe("nobody has sent a statement yet");
    expect(glanceWords(null).note).toBe("the gateway does not answer");
  });

  it("has words for each mode", () => {
    expect(modeWords("unspecified").title).toBe("As set");
    expect(modeWords("enforce").tone).toBe("good");
  });
});
