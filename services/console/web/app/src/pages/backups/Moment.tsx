// A moment to go back to, on the line of time: a slider that stays where one can go back to, and a field to type it.
import { dayClock } from "@/format";
import { Button, TextField } from "@/ui";
import styles from "./Restore.module.css";
import { cutTo, isRecoverable, nearestRecoverable, reachOf } from "./recovery";
import type { RecoveryWindow } from "./types";
import { fromField, toField } from "./wizard";

interface MomentProps {
  windows: RecoveryWindow[];
  atUnixMs: number | null;
  onChange: (atUnixMs: number | null) => void;
}

export function Moment({ windows, atUnixMs, onChange }: MomentProps) {
  const reach = reachOf(windows);
  if (!reach) return <p>There is no moment to go back to yet: a backup and its log are needed.</p>;
  const at = atUnixMs ?? reach.toUnixMs;
  const isRight = isRecoverable(windows, at);
  const nearest = nearestRecoverable(windows, at);
  return (
    <div className="stack">
      <div className={styles.slider}>
        <div className={styles.sliderTrack} aria-hidden="true">
          {windows.map((window) => {
            const cut = cutTo({ fromUnixMs: window.from_unix_ms, toUnixMs: window.to_unix_ms }, reach);
            if (!cut) return null;
            return (
              <span key={window.from_unix_ms} style={{ left: `${cut.left}%`, width: `${cut.width}%` }} />
            );
          })}
        </div>
        <input
          type="range"
          aria-label="The moment to go back to"
          aria-valuetext={dayClock(at)}
          min={reach.fromUnixMs}
          max={reach.toUnixMs}
          step={1000}
          value={at}
          onChange={(event) => onChange(Number(event.target.value))}
        />
        <div className={styles.ends}>
          <span>{dayClock(reach.fromUnixMs)}</span>
          <span>{dayClock(reach.toUnixMs)}</span>
        </div>
      </div>
      <TextField
        label="Moment, on your clock"
        type="datetime-local"
        step={1}
        value={toField(atUnixMs)}
        onChange={(text) => onChange(fromField(text))}
        error={
          atUnixMs !== null && !isRight
            ? "Log is missing there: one cannot go back to this moment."
            : undefined
        }
        help="The last commit at or before it is the last one that is there afterwards."
      />
      {atUnixMs !== null && !isRight && nearest !== null && (
        <div>
          <Button small onClick={() => onChange(nearest)}>
            Take the nearest: {dayClock(nearest)}
          </Button>
        </div>
      )}
    </div>
  );
}
