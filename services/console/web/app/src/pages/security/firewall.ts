// The firewall in words: what a mode means, what it would do, for whom it is. Pure.
import { count, exact, full, plural, ratio } from "@/format";
import type { FirewallAtAGlance, FirewallMode, FirewallScope, FirewallScopeStatus } from "./types";

export type Tone = "plain" | "good" | "warn" | "info";

interface ModeWords {
  title: string;
  tone: Tone;
  meaning: string;
}

export const MODES: Record<Exclude<FirewallMode, "unspecified">, ModeWords> = {
  off: { title: "Off", tone: "plain", meaning: "Statements are not judged." },
  learn: {
    title: "Learn",
    tone: "info",
    meaning: "Shapes of statements are learned, what is dangerous is told, and nothing is refused.",
  },
  monitor: {
    title: "Monitor",
    tone: "warn",
    meaning: "What is suspicious is told, unknown shapes wait for a person, and nothing is refused.",
  },
  enforce: {
    title: "Enforce",
    tone: "good",
    meaning: "What is dangerous is refused, and of the unknown as much as the settings say.",
  },
};

export const modeWords = (mode: FirewallMode): ModeWords =>
  mode === "unspecified" ? { title: "As set", tone: "plain", meaning: "The settings decide." } : MODES[mode];

/** The choices of the dialog; `settings` takes a mode back. */
export const MODE_CHOICES = [
  { value: "learn", title: "Learn" },
  { value: "monitor", title: "Monitor" },
  { value: "enforce", title: "Enforce" },
  { value: "off", title: "Off" },
  { value: "settings", title: "As the settings say" },
];

/** Whose, in words. */
export function scopeWords(scope: FirewallScope | null): string {
  const role = scope?.user || "every role";
  const database = scope?.database || "every database";
  const whose = scope?.project ? "" : " of every project";
  return `${role} on ${database}${whose}`;
}

export const keyOf = (scope: FirewallScope | null): string =>
  [scope?.project, scope?.database, scope?.user].map((part) => encodeURIComponent(part ?? "")).join("/");

/** What enforcing would have refused, or has, in a sentence. */
export function dryRunWords(
  status: Pick<FirewallScopeStatus, "effective_mode" | "statements" | "would_block" | "blocked">,
  sinceUnixMs: number,
): string {
  const { statements, would_block, blocked, effective_mode } = status;
  const since = `since ${full(sinceUnixMs)}`;
  if (statements === 0) return `No statement was judged ${since}.`;
  if (effective_mode === "enforce")
    return `${plural(blocked, "statement")} of ${exact(statements)} ${blocked === 1 ? "was" : "were"} blocked ${since}.`;
  if (would_block === 0) return `Enforce would have blocked nothing of ${exact(statements)} ${since}.`;
  const part = ratio(would_block / statements);
  return `Enforce would have blocked ${exact(would_block)} of ${exact(statements)} statements (${part}) ${since}.`;
}

/** How far learning is: known shapes of those that were seen. */
export function learnedPart(
  status: Pick<FirewallScopeStatus, "learned" | "approved" | "queued">,
): number | null {
  const known = status.learned + status.approved;
  const all = known + status.queued;
  return all === 0 ? null : known / all;
}

/** The firewall of everybody in a word, and a sentence beneath it. */
export function glanceWords(glance: FirewallAtAGlance | null): { value: string; note: string; tone: Tone } {
  if (!glance) return { value: "–", note: "the gateway does not answer", tone: "plain" };
  const parts = (["enforce", "monitor", "learn", "off"] as const).filter((mode) => glance[mode] > 0);
  const most = parts.reduce<(typeof parts)[number] | null>(
    (best, mode) => (best === null || glance[mode] > glance[best] ? mode : best),
    null,
  );
  if (most === null) return { value: "–", note: "nobody has sent a statement yet", tone: "plain" };
  const counts = parts.map((mode) => `${count(glance[mode])} ${mode}`).join(", ");
  const relaxed = glance.relaxed > 0 ? `; ${count(glance.relaxed)} not as set` : "";
  return {
    value: MODES[most].title,
    note: parts.length === 1 && relaxed === "" ? plural(glance[most], "user") : `${counts}${relaxed}`,
    tone: MODES[most].tone,
  };
}
