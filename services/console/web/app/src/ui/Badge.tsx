// Small labels: a word with a tone. The tone is also a sign, for those who do not tell colours apart.
import type { ReactNode } from "react";
import { words } from "@/format";
import styles from "./Badge.module.css";
import type { Tone } from "./Stat";

interface BadgeProps {
  tone?: Tone;
  /** A dot in front, for states. */
  dot?: boolean;
  title?: string;
  children: ReactNode;
}

export function Badge({ tone = "plain", dot, title, children }: BadgeProps) {
  return (
    <span className={styles.badge} data-tone={tone} title={title}>
      {dot && <span className={styles.dot} aria-hidden="true" />}
      {children}
    </span>
  );
}

const SEVERITY: Record<string, { tone: Tone; sign: string }> = {
  critical: { tone: "bad", sign: "!!" },
  warning: { tone: "warn", sign: "!" },
  info: { tone: "info", sign: "i" },
};

export function Severity({ severity }: { severity: string }) {
  const known = SEVERITY[severity];
  if (!known) return <Badge>{words(severity)}</Badge>;
  return (
    <Badge tone={known.tone}>
      <span className={styles.sign} aria-hidden="true">
        {known.sign}
      </span>
      {severity}
    </Badge>
  );
}

const STATES: Record<string, Tone> = {
  ok: "good",
  up: "good",
  succeeded: "good",
  proven: "good",
  closed: "good",
  applied: "good",
  degraded: "warn",
  half_open: "warn",
  pending: "warn",
  unproven: "warn",
  down: "bad",
  failed: "bad",
  open: "bad",
  firing: "bad",
  running: "info",
  applying: "info",
};

/** The state of something, by the words of the protocol: health, jobs, backups, breakers, alerts, changes. */
export function State({ state, title }: { state: string; title?: string }) {
  return (
    <Badge tone={STATES[state] ?? "plain"} dot title={title}>
      {words(state)}
    </Badge>
  );
}
