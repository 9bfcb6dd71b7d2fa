// A staff gauge: how full something is, on a scale with ticks, as one reads water at a weir.
import { exact } from "@/format";
import styles from "./Gauge.module.css";

export interface GaugePart {
  label: string;
  value: number;
  /** A design token. */
  color: string;
}

interface GaugeProps {
  label: string;
  parts: readonly GaugePart[];
  max: number;
  /** Below the bar: the parts in words. */
  legend?: boolean;
}

export function Gauge({ label, parts, max, legend = true }: GaugeProps) {
  const whole = Math.max(max, 1);
  const words = parts.map((part) => `${exact(part.value)} ${part.label}`).join(", ");
  return (
    <div className={styles.gauge}>
      <div className={styles.bar} role="img" aria-label={`${label}: ${words}, of ${exact(max)}`}>
        {parts.map((part) => (
          <span
            key={part.label}
            className={styles.part}
            style={{
              width: `${Math.min(100, (part.value / whole) * 100)}%`,
              background: `var(--${part.color})`,
            }}
          />
        ))}
        <span className={styles.ticks} />
      </div>
      {legend && (
        <ul className={styles.legend}>
          {parts.map((part) => (
            <li key={part.label}>
              <span
                className={styles.key}
                style={{ background: `var(--${part.color})` }}
                aria-hidden="true"
              />
              <b>{exact(part.value)}</b> {part.label}
            </li>
          ))}
          <li className={styles.max}>
            of <b>{exact(max)}</b>
          </li>
        </ul>
      )}
    </div>
  );
}
