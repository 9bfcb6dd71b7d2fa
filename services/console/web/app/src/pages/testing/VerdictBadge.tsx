// A verdict as a word with its tone.
import { Badge, type Tone } from "@/ui";
import type { Verdict } from "./types";

const VERDICTS: Record<Verdict, { tone: Tone; word: string }> = {
  pass: { tone: "good", word: "passed" },
  fail: { tone: "bad", word: "failed" },
  skipped: { tone: "warn", word: "skipped" },
  unknown: { tone: "plain", word: "not yet" },
};

export function VerdictBadge({ verdict }: { verdict: Verdict }) {
  const { tone, word } = VERDICTS[verdict];
  return (
    <Badge tone={tone} dot>
      {word}
    </Badge>
  );
}
