// What runs now, and whether users notice: their p95 over the last hour, with the spans of work shaded.
import { useMemo } from "react";
import { useApi } from "@/api";
import { duration, relative, words } from "@/format";
import { Chart, Empty, type Marker, Panel, type Series, useNowAs } from "@/ui";
import { columnsOf } from "../overview/history";
import { isUnderWay, JobCard, TURNS, useProgress, useTrail, type Work } from "../parts";
import styles from "./Maintenance.module.css";
import type { Piece, PiecesResponse } from "./types";

const SERIES: Series[] = [
  { label: "p95 of users' statements", color: "series-2" },
  { label: "p50", color: "series-1" },
];
const HOUR_MS = 3_600_000;

export function RunningPanel({ running }: { running: Work[] }) {
  const pieces = useApi<PiecesResponse>("/database/maintenance/pieces?limit=50", {
    scoped: true,
    every: 5,
    on: TURNS,
  });
  const jobs = useProgress(running).filter(isUnderWay);
  const recent = pieces.data?.pieces ?? [];
  const now = jobs.map((job) =>
    recent.find((piece) => piece.job_id === job.id && piece.outcome === "running"),
  );
  return (
    <Panel title="Under way, and what users notice" note="the last hour, with work shaded">
      <div className="stack">
        {jobs.length === 0 ? (
          <p className="muted">Nothing runs.</p>
        ) : (
          jobs.map((job, index) => (
            <div key={job.id} className={styles.running}>
              <JobCard
                job={job}
                ifStopped="The statement under way is cancelled and cleaned up. What is done stays done."
              />
              <Effect piece={now[index]} />
            </div>
          ))
        )}
        <Effects pieces={recent} />
      </div>
    </Panel>
  );
}

/** The effect on users as the worker measures it. */
function Effect({ piece }: { piece: Piece | undefined }) {
  if (!piece) return null;
  const { p95_before_ms: before, p95_during_ms: during } = piece;
  const times = before && during ? during / before : null;
  return (
    <p className={styles.effect}>
      {words(piece.kind)} of <code>{piece.index || piece.table}</code>: users' p95 was{" "}
      <b>{duration(before)}</b> before, and is <b>{duration(during)}</b> now
      {times !== null && ` (${times.toFixed(2)} times)`}.
    </p>
  );
}

function Effects({ pieces }: { pieces: readonly Piece[] }) {
  const trail = useTrail();
  const tick = useNowAs((now) => Math.floor(now / 5000) * 5000);
  const data = useMemo(() => columnsOf(trail, ["p95_ms", "p50_ms"]), [trail]);
  const markers = useMemo(() => markersOf(pieces, tick), [pieces, tick]);
  if (trail.length === 0)
    return <Empty title="Nothing measured yet">Figures come once a second while statements run.</Empty>;
  return (
    <Chart
      label="What users wait for"
      data={data}
      series={SERIES}
      format={(value) => duration(value)}
      markers={markers}
      height={200}
    />
  );
}

/** Pieces of the last hour as shaded spans. */
function markersOf(pieces: readonly Piece[], nowUnixMs: number): Marker[] {
  return pieces
    .filter((piece) => (piece.ended_unix_ms || nowUnixMs) > nowUnixMs - HOUR_MS)
    .slice(0, 40)
    .map((piece) => ({
      atUnixMs: piece.started_unix_ms,
      untilUnixMs: piece.ended_unix_ms || nowUnixMs,
      label: `Maintenance: ${piece.kind} of ${piece.index || piece.table}, ${relative(piece.started_unix_ms, nowUnixMs)}`,
      color: "series-6",
    }));
}
