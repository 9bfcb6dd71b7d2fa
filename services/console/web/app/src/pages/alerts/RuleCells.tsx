// What a rule looks at, and its bounds, in words.
import { Badge, Severity } from "@/ui";
import styles from "./Alerts.module.css";
import type { AlertRule } from "./types";
import { figureOf } from "./units";

export function RuleName({ rule }: { rule: AlertRule }) {
  const labels = Object.entries(rule.labels).map(([name, pattern]) => `${name}=${pattern}`);
  return (
    <span className={styles.ruleName}>
      <span>
        {rule.name} {rule.project && <Badge tone="info">only {rule.project}</Badge>}
      </span>
      <small title={rule.summary ?? undefined}>
        {rule.metric} {labels.join(", ")}
      </small>
    </span>
  );
}

const LEVELS = ["info", "warning", "critical"] as const;

export function Bounds({ rule }: { rule: AlertRule }) {
  const sign = rule.direction === "below" ? "≤" : "≥";
  return (
    <span className={styles.bounds}>
      {LEVELS.map((level) => {
        const bound = rule[level];
        if (bound === null) return null;
        return (
          <span key={level}>
            <Severity severity={level} /> {sign} {figureOf(rule.metric, bound)}
          </span>
        );
      })}
    </span>
  );
}
