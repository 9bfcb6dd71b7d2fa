// What was expected, as a span from least to most, and what came of it, as a mark on it.
import { bytes } from "@/format";
import styles from "./Maintenance.module.css";
import type { Expectation } from "./types";

export function Range({ expected, actual }: { expected: Expectation | null; actual: number | null }) {
  const high = expected?.reclaim_high_bytes ?? 0;
  if (!expected || high === 0) return <span className="muted">{actual === null ? "–" : bytes(actual)}</span>;
  const low = expected.reclaim_low_bytes;
  const end = Math.max(high, actual ?? 0, 1) * 1.05;
  const at = (value: number) => `${(Math.max(0, value) / end) * 100}%`;
  const isWithin = actual !== null && actual >= low && actual <= high;
  const span = `${bytes(low)} to ${bytes(high)}`;
  return (
    <div className={styles.range} title={`expected ${span}`}>
      <div className={styles.rangeBar} aria-hidden="true">
        <span className={styles.rangeSpan} style={{ left: at(low), width: at(high - low) }} />
        {actual !== null && (
          <span
            className={styles.rangeMark}
            data-within={isWithin || undefined}
            style={{ left: at(actual) }}
          />
        )}
      </div>
      <span className={styles.rangeWords}>
        <b>{bytes(actual)}</b> of {span}
        {actual !== null && (isWithin ? " ✓" : actual > high ? ": more" : ": less")}
      </span>
    </div>
  );
}
