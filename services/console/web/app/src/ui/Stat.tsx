// One figure: what it is, the number, its unit, a word about it, and its trend.
import type { ReactNode } from "react";
import type { Figure } from "@/format";
import { Sparkline } from "./Sparkline";
import styles from "./Stat.module.css";

export type Tone = "plain" | "good" | "warn" | "bad" | "info";

interface StatProps {
  label: string;
  figure: Figure;
  note?: ReactNode;
  tone?: Tone;
  trend?: readonly (number | null)[];
  /** The colour of the trend: a design token. */
  color?: string;
}

export function Stat({ label, figure, note, tone = "plain", trend, color }: StatProps) {
  return (
    <div className={styles.stat} data-tone={tone}>
      <dl className={styles.words}>
        <dt className={styles.label}>{label}</dt>
        <dd className={styles.figure}>
          <span className={styles.value} data-long={figure.value.length > 6 || undefined}>
            {figure.value}
          </span>
          {figure.unit && <span className={styles.unit}>{`\u00a0${figure.unit}`}</span>}
        </dd>
        {note && <dd className={styles.note}>{note}</dd>}
      </dl>
      {trend && (
        <div className={styles.trend}>
          <Sparkline values={trend} color={color} />
        </div>
      )}
    </div>
  );
}

/** Stats side by side, as many as there is room for. */
export function Stats({ children }: { children: ReactNode }) {
  return <div className={styles.stats}>{children}</div>;
}
