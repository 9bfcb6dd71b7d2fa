// A week of seven columns from midnight to midnight, with the openings in it and a line where now is.
import { useMemo } from "react";
import { dayClock, day as dayWords } from "@/format";
import { useNow } from "@/ui";
import styles from "./Maintenance.module.css";
import { type Block, blocksOf, dayStarts, wallAt, weekStart, zoneOfViewer } from "./openings";
import type { MaintenanceWindow } from "./types";

const NAMES = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const HOURS = [0, 6, 12, 18, 24];
const percent = (minutes: number) => `${(minutes / 1440) * 100}%`;

export function Week({ windows }: { windows: MaintenanceWindow[] }) {
  const zone = zoneOfViewer();
  const now = useNow();
  const start = weekStart(now, zone);
  const starts = useMemo(() => dayStarts(start, zone), [start, zone]);
  const blocks = useMemo(() => blocksOf(windows, start, zone), [windows, start, zone]);
  const wall = wallAt(now, zone);
  const today = starts.findIndex((at, index) => at <= now && now < (starts[index + 1] ?? 0));
  const minute = (wall - wallAt(starts[today] ?? start, zone)) / 60_000;
  return (
    <div className={styles.week} role="group" aria-label="Openings of this week">
      <div className={styles.hours} aria-hidden="true">
        {HOURS.map((hour) => (
          <span key={hour} style={{ top: percent(hour * 60) }}>
            {String(hour).padStart(2, "0")}
          </span>
        ))}
      </div>
      {NAMES.map((name, day) => (
        <div key={name} className={styles.day} data-today={day === today || undefined}>
          <div className={styles.dayName}>
            {name} <span>{dayWords(starts[day] ?? 0)}</span>
          </div>
          <ul className={styles.dayHours} aria-label={name}>
            {blocks
              .filter((block) => block.day === day)
              .map((block) => (
                <Opening key={`${block.name}/${block.fromUnixMs}`} block={block} />
              ))}
            {day === today && (
              <li className={styles.nowLine} style={{ top: percent(minute) }} aria-label="now" />
            )}
          </ul>
        </div>
      ))}
    </div>
  );
}

const clockOf = (minutes: number): string =>
  `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(Math.round(minutes % 60)).padStart(2, "0")}`;

function Opening({ block }: { block: Block }) {
  const hours = `${clockOf(block.fromMinute)} – ${clockOf(block.toMinute)}`;
  const whole = `${block.name}, ${dayClock(block.fromUnixMs)} to ${dayClock(block.toUnixMs)}`;
  return (
    <li
      className={styles.opening}
      style={{ top: percent(block.fromMinute), height: percent(block.toMinute - block.fromMinute) }}
      title={whole}
    >
      <span className={styles.openingName}>{block.name}</span>
      {block.toMinute - block.fromMinute >= 180 && <span className={styles.openingHours}>{hours}</span>}
    </li>
  );
}
