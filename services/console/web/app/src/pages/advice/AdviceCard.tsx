// One piece of advice: what to do, before and after, why, what it rests on, what may go wrong, and how to do it.
import { useState } from "react";
import type { Advice } from "@/api";
import { Badge, Button, Code, Icon, type Tone } from "@/ui";
import styles from "./Advice.module.css";
import type { Recommendation, Standing } from "./types";
import { kindWords, placeOf, restsOn, riskOf, statementOf, valueWords, whenOf } from "./words";

const IMPACTS: Record<Advice["impact"], { tone: Tone; word: string }> = {
  unspecified: { tone: "plain", word: "not weighed" },
  danger: { tone: "bad", word: "danger" },
  high: { tone: "warn", word: "high" },
  medium: { tone: "info", word: "medium" },
  low: { tone: "plain", word: "low" },
};

const STANDINGS: Partial<Record<Standing, string>> = {
  applying: "is being applied",
  applied: "applied, and advised again",
  pending_restart: "waits for a restart",
  reverting: "is being taken back",
};

const mayApply = (advice: Recommendation): boolean =>
  advice.applicable && (advice.state === "open" || advice.state === "applied");

interface AdviceCardProps {
  advice: Recommendation;
  /** null: the caller may only look. */
  onApply: ((advice: Recommendation) => void) | null;
}

export function AdviceCard({ advice, onApply }: AdviceCardProps) {
  const [isOpen, setOpen] = useState(false);
  const impact = IMPACTS[advice.impact];
  const id = `advice-${advice.id}`;
  return (
    <article className={styles.card} data-impact={advice.impact} aria-labelledby={id}>
      <div className="row">
        <Badge tone={impact.tone} title="How much it matters">
          {impact.word}
        </Badge>
        {STANDINGS[advice.state] && (
          <Badge tone="info" dot>
            {STANDINGS[advice.state]}
          </Badge>
        )}
        <span className={styles.kind}>{kindWords(advice.kind)}</span>
        <span className={styles.place}>{placeOf(advice)}</span>
      </div>
      <h2 id={id} className={styles.summary}>
        {advice.summary}
      </h2>
      {advice.setting && <BeforeAfter advice={advice} />}
      <p className={styles.reason}>{advice.reason}</p>
      {isOpen && <Details advice={advice} />}
      <div className={styles.actions}>
        {onApply && mayApply(advice) && (
          <Button small look="primary" onClick={() => onApply(advice)}>
            Apply
          </Button>
        )}
        {!advice.applicable && <Badge title={advice.by_hand}>by hand</Badge>}
        <Button small look="quiet" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? "Less" : "Evidence, risk, SQL"}
        </Button>
      </div>
    </article>
  );
}

export function BeforeAfter({ advice }: { advice: Pick<Advice, "setting" | "current" | "proposed"> }) {
  return (
    <div className={styles.change}>
      <code className={styles.setting}>{advice.setting}</code>
      <span className={styles.values}>
        <span className="sr-only">from</span>
        <code className={styles.before}>{valueWords(advice.current)}</code>
        <Icon name="chevron" size={16} />
        <span className="sr-only">to</span>
        <code className={styles.after}>{valueWords(advice.proposed)}</code>
      </span>
    </div>
  );
}

function Details({ advice }: { advice: Advice }) {
  const sql = statementOf(advice);
  return (
    <div className="stack">
      <dl className={styles.details}>
        <dt>Rests on</dt>
        <dd>
          <b>{advice.confidence}</b>: {restsOn(advice)}
        </dd>
        <dt>Risk</dt>
        <dd>{riskOf(advice)}</dd>
        {whenOf(advice) && (
          <>
            <dt>In force</dt>
            <dd>{whenOf(advice)}</dd>
          </>
        )}
      </dl>
      {sql && <Code code={sql} language="sql" label={`SQL: ${advice.summary}`} />}
    </div>
  );
}
