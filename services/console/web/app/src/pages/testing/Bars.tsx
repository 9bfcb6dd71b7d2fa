// Bars in groups on one scale, as a list that is also read out: each bar is a number in words.
import { barsOf } from "./figures";
import styles from "./Testing.module.css";

interface Group {
  title: string;
  note?: string;
  values: { label: string; color: string; value: number }[];
}

interface BarsProps {
  label: string;
  groups: readonly Group[];
  format: (value: number) => string;
  /** The end of the scale; without, the greatest value. */
  most?: number;
}

export function Bars({ label, groups, format, most }: BarsProps) {
  const all = groups.flatMap((group) => group.values.map(({ value }) => ({ label: group.title, value })));
  const { bars, isLog } = barsOf(all);
  const parts = most === undefined ? bars.map((bar) => bar.part) : all.map(({ value }) => value / most);
  let at = 0;
  return (
    <>
      <ul className={styles.groups} aria-label={label}>
        {groups.map((group) => (
          <li key={group.title}>
            <div className={styles.groupTitle}>
              <b>{group.title}</b>
              {group.note && <span className="muted">{group.note}</span>}
            </div>
            <ul>
              {group.values.map((value) => (
                <li key={value.label} className={styles.bar}>
                  <span className={styles.barLabel}>{value.label}</span>
                  <span className={styles.track} aria-hidden="true">
                    <span
                      style={{ width: `${(parts[at++] ?? 0) * 100}%`, background: `var(--${value.color})` }}
                    />
                  </span>
                  <span className={styles.barValue}>{format(value.value)}</span>
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ul>
      {isLog && most === undefined && <p className={styles.scale}>The scale is logarithmic.</p>}
    </>
  );
}
