// The time to which one can go back, repository by repository, with the backups as marks on it.
import { type KeyboardEvent, useRef, useState } from "react";
import { day, dayClock, duration, shortClock, words } from "@/format";
import { Segments, useNowAs } from "@/ui";
import { cutTo, gapsOf, placeIn, reachOf, type Span, spansOf, ticksOf } from "./recovery";
import styles from "./Timeline.module.css";
import type { Backup, RecoveryWindow, Repository } from "./types";

const DAY_MS = 86_400_000;
const VIEWS = [
  { value: "1", title: "24 h" },
  { value: "7", title: "7 d" },
  { value: "30", title: "30 d" },
  { value: "all", title: "All" },
];

interface TimelineProps {
  windows: RecoveryWindow[];
  backups: readonly Backup[];
  repositories: Repository[];
  chosen: string | null;
  onChoose: (id: string) => void;
}

export function Timeline({ windows, backups, repositories, chosen, onChoose }: TimelineProps) {
  const [view, setView] = useState("30");
  const minute = useNowAs((now) => Math.ceil(now / 60_000) * 60_000);
  const shown = spanOf(view, windows, backups, minute);
  return (
    <div className={styles.timeline}>
      <div className={styles.top}>
        <Reach windows={windows} nowUnixMs={minute} />
        <Segments label="How far back" value={view} onChange={setView} choices={VIEWS} />
      </div>
      <div className={styles.rows}>
        {repositories.map((repository) => (
          <Row
            key={repository.name}
            name={repository.name}
            isAway={!repository.reachable}
            spans={spansOf(windows, backups, repository.name)}
            backups={backups.filter((one) => one.repositories.includes(repository.name))}
            shown={shown}
            chosen={chosen}
            onChoose={onChoose}
          />
        ))}
        <Axis shown={shown} />
      </div>
      <Keys />
    </div>
  );
}

function spanOf(
  view: string,
  windows: RecoveryWindow[],
  backups: readonly Backup[],
  nowUnixMs: number,
): Span {
  if (view !== "all") return { fromUnixMs: nowUnixMs - Number(view) * DAY_MS, toUnixMs: nowUnixMs };
  const first = Math.min(
    ...windows.map((window) => window.from_unix_ms),
    ...backups.map((one) => one.started_unix_ms),
    nowUnixMs - DAY_MS,
  );
  return { fromUnixMs: first - (nowUnixMs - first) * 0.02, toUnixMs: nowUnixMs };
}

function Reach({ windows, nowUnixMs }: { windows: RecoveryWindow[]; nowUnixMs: number }) {
  const reach = reachOf(windows);
  if (!reach) return <p>There is no moment to go back to yet.</p>;
  const gaps = gapsOf(windows);
  return (
    <p>
      Any moment from <b>{dayClock(reach.fromUnixMs)}</b> to <b>{dayClock(reach.toUnixMs)}</b>,{" "}
      {duration(nowUnixMs - reach.fromUnixMs)} back
      {gaps.length > 0 && (
        <>
          {" "}
          – but for{" "}
          {gaps.map((gap, index) => (
            <span key={gap.fromUnixMs} className={styles.gap}>
              {index > 0 && ", "}
              {dayClock(gap.fromUnixMs)} to {dayClock(gap.toUnixMs)}
            </span>
          ))}
          , where log is missing
        </>
      )}
      .
    </p>
  );
}

interface RowProps {
  name: string;
  isAway: boolean;
  spans: Span[];
  backups: readonly Backup[];
  shown: Span;
  chosen: string | null;
  onChoose: (id: string) => void;
}

function Row({ name, isAway, spans, backups, shown, chosen, onChoose }: RowProps) {
  const marks = backups
    .filter((one) => one.project === "" && placeIn(shown, one.ended_unix_ms) >= 0)
    .sort((a, b) => a.ended_unix_ms - b.ended_unix_ms);
  return (
    <div className={styles.row} role="group" aria-label={`Repository ${name}`}>
      <div className={styles.name}>
        {name}
        {isAway && <span className={styles.away}> away</span>}
      </div>
      <div className={styles.track}>
        {spans.map((span) => {
          const cut = cutTo(span, shown);
          if (!cut) return null;
          return (
            <span
              key={span.fromUnixMs}
              className={styles.band}
              style={{ left: `${cut.left}%`, width: `${cut.width}%` }}
              title={`recoverable from ${dayClock(span.fromUnixMs)} to ${dayClock(span.toUnixMs)}`}
            />
          );
        })}
        <Marks marks={marks} shown={shown} chosen={chosen} onChoose={onChoose} />
      </div>
    </div>
  );
}

interface MarksProps {
  marks: Backup[];
  shown: Span;
  chosen: string | null;
  onChoose: (id: string) => void;
}

/** One stop for the Tab key; arrow keys go from one backup to the next. */
function Marks({ marks, shown, chosen, onChoose }: MarksProps) {
  const holder = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<string | null>(null);
  const reached = marks.some((one) => one.id === at) ? at : marks.at(-1)?.id;
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const next = marks.findIndex((one) => one.id === reached) + step;
    holder.current?.querySelectorAll<HTMLElement>("button")[next]?.focus();
  };
  return (
    <div ref={holder} onKeyDown={onKeyDown} role="group" aria-label="Backups, from the oldest to the newest">
      {marks.map((one) => (
        <button
          key={one.id}
          type="button"
          className={styles.mark}
          data-kind={one.kind}
          data-state={one.state}
          aria-pressed={one.id === chosen}
          aria-label={markWords(one)}
          title={markWords(one)}
          tabIndex={one.id === reached ? 0 : -1}
          style={{ left: `${placeIn(shown, one.ended_unix_ms) * 100}%` }}
          onFocus={() => setAt(one.id)}
          onClick={() => onChoose(one.id)}
        />
      ))}
    </div>
  );
}

const markWords = (one: Backup): string =>
  `${words(one.kind)}, ${words(one.state)}, ${dayClock(one.ended_unix_ms)}`;

function Axis({ shown }: { shown: Span }) {
  const isShort = shown.toUnixMs - shown.fromUnixMs <= 2 * DAY_MS;
  return (
    <div className={styles.row} aria-hidden="true">
      <div />
      <div className={styles.axis}>
        {ticksOf(shown).map((at) => (
          <span key={at} style={{ left: `${placeIn(shown, at) * 100}%` }}>
            {isShort ? shortClock(at) : day(at)}
          </span>
        ))}
      </div>
    </div>
  );
}

const KEYS = [
  { kind: "full", state: "proven", title: "full" },
  { kind: "incremental", state: "proven", title: "incremental or differential" },
  { kind: "incremental", state: "unproven", title: "not proven yet" },
  { kind: "incremental", state: "failed", title: "a proof failed" },
];

function Keys() {
  return (
    <ul className={styles.keys} aria-label="What the marks mean">
      <li>
        <span className={styles.bandKey} /> recoverable
      </li>
      {KEYS.map((key) => (
        <li key={key.title}>
          <span className={styles.markKey} data-kind={key.kind} data-state={key.state} /> {key.title}
        </li>
      ))}
    </ul>
  );
}
