// How far something is: a bar, the pace, the time that is left.
import { useEffect, useState } from "react";
import type { Progress as Far } from "@/api/types";
import { bytes, count, duration, join, ratio } from "@/format";
import styles from "./Progress.module.css";
import { addMark, type Mark, paceOf } from "./progress";
import { useNow } from "./useNow";

interface ProgressProps {
  progress: Far | null;
  label: string;
  /** What is counted. */
  unit?: "bytes" | "count";
}

export function Progress({ progress, label, unit = "count" }: ProgressProps) {
  const now = useNow();
  const done = progress?.done ?? 0;
  const total = progress?.total ?? 0;
  const [marks, setMarks] = useState<Mark[]>([]);
  useEffect(() => setMarks((before) => addMark(before, { atUnixMs: Date.now(), done })), [done]);
  const pace = paceOf(marks, total, now);
  const text = unit === "bytes" ? bytes : count;
  const isKnown = total > 0;
  const words = [
    isKnown ? `${text(done)} of ${text(total)}` : text(done),
    pace && pace.perSecond > 0
      ? `${unit === "bytes" ? `${bytes(pace.perSecond)}/s` : join({ value: count(pace.perSecond), unit: "/s" })}`
      : "",
    pace?.remainingMs ? `${duration(pace.remainingMs)} left` : "",
  ].filter(Boolean);
  return (
    <div className={styles.progress}>
      <Bar part={isKnown ? done / total : null} label={label} />
      <div className={styles.words}>
        <span>{progress?.note || label}</span>
        <span>{words.join(" · ")}</span>
      </div>
    </div>
  );
}

/** The bar alone. null: it goes on, and nobody knows how far. */
export function Bar({ part, label }: { part: number | null; label: string }) {
  const whole = part === null ? undefined : Math.round(Math.min(1, Math.max(0, part)) * 100);
  return (
    <div
      className={styles.bar}
      role="progressbar"
      aria-label={label}
      aria-valuenow={whole}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuetext={part === null ? "under way" : ratio(part)}
      tabIndex={-1}
      data-unknown={part === null || undefined}
    >
      <div className={styles.fill} style={{ width: part === null ? "30%" : `${whole}%` }} />
    </div>
  );
}
