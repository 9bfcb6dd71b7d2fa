// What was done, piece by piece, with the proof: what was expected, what came of it, and what users noticed.
import { pathWith, useApi, usePages, useProject } from "@/api";
import { bytes, dayClock, duration, plural, ratio, words } from "@/format";
import { Badge, type Column, Empty, More, Panel, Table, type Tone } from "@/ui";
import { Guarded, TURNS } from "../parts";
import styles from "./Maintenance.module.css";
import { Range } from "./Range";
import type { Calibration, CalibrationResponse, Piece, PiecesResponse } from "./types";

const REFUSED = "What was done is told to those who may see the tables.";
const TONES: Record<string, Tone> = {
  done: "good",
  running: "info",
  left: "plain",
  halted: "warn",
  failed: "bad",
};

/** Bytes that came back; null where that was not measured. */
export const cameBack = ({ bytes_before, bytes_after }: Piece): number | null =>
  bytes_before === null || bytes_after === null ? null : bytes_before - bytes_after;

const tookMs = (row: Piece): number | null =>
  row.ended_unix_ms > 0 ? row.ended_unix_ms - row.started_unix_ms : null;

/** How much longer users waited while it ran. */
const slower = ({ p95_before_ms, p95_during_ms }: Piece): number | null =>
  p95_before_ms && p95_during_ms ? p95_during_ms / p95_before_ms : null;

const COLUMNS: Column<Piece>[] = [
  {
    key: "what",
    title: "What",
    lead: true,
    cell: (row) => (
      <div>
        <div className="row">
          <b>{row.index || row.table}</b>
          <Badge>{words(row.kind)}</Badge>
          <Badge tone={TONES[row.outcome] ?? "plain"} dot>
            {words(row.outcome)}
          </Badge>
        </div>
        {row.reason && <div className={styles.reason}>{row.reason}</div>}
      </div>
    ),
  },
  {
    key: "started",
    title: "When",
    cell: (row) => dayClock(row.started_unix_ms),
    sort: (row) => row.started_unix_ms,
    numeric: true,
  },
  {
    key: "size",
    title: "Size",
    cell: (row) =>
      row.bytes_before === null ? "–" : `${bytes(row.bytes_before)} → ${bytes(row.bytes_after)}`,
    sort: (row) => row.bytes_before,
    numeric: true,
  },
  {
    key: "reclaimed",
    title: "Came back, of what was expected",
    cell: (row) => <Range expected={row.expected} actual={cameBack(row)} />,
    sort: cameBack,
  },
  {
    key: "took",
    title: "Took",
    help: "Against what was expected in nine of ten cases",
    cell: (row) => (
      <>
        {duration(tookMs(row))}
        {row.expected && row.expected.takes_ms > 0 && (
          <span className={styles.of}> of {duration(row.expected.takes_ms)}</span>
        )}
      </>
    ),
    sort: tookMs,
    numeric: true,
  },
  {
    key: "p95",
    title: "Users' p95",
    help: "Before it, and while it ran",
    cell: (row) =>
      row.p95_before_ms === null ? (
        <span className="muted">–</span>
      ) : (
        <span data-slow={(slower(row) ?? 0) > 1.5 || undefined} className={styles.slower}>
          {duration(row.p95_before_ms)} → {duration(row.p95_during_ms)}
        </span>
      ),
    sort: slower,
    numeric: true,
  },
];

export function History() {
  const project = useProject();
  const pieces = usePages<PiecesResponse, Piece>(
    pathWith("/database/maintenance/pieces", { project, limit: 200 }),
    { rowsOf: (answer) => answer.pieces, keyOf: (piece) => piece.id, every: 10, on: TURNS },
  );
  const calibration = useApi<CalibrationResponse>("/database/maintenance/calibration", {
    scoped: true,
    on: TURNS,
  });
  return (
    <div className="stack">
      <Panel title="How well work was foretold">
        <Guarded state={calibration} what="Calibration" refused={REFUSED} height={120}>
          {(data) => <Foretold kinds={data.kinds} />}
        </Guarded>
      </Panel>
      <Panel title="Pieces of work" note="the latest first" flush>
        <Guarded state={pieces.state} what="History" refused={REFUSED} height={320}>
          {(rows) => (
            <Table
              label="Pieces of work with their proof"
              columns={COLUMNS}
              rows={rows}
              rowKey={(row) => row.id}
              initialSort="-started"
              sortName="pieces"
              cardHeight={240}
              end={<More pages={pieces} shown={rows.length} />}
              empty={
                <Empty title="Nothing was done yet" icon="maintenance">
                  The first window does what is due. What was expected and what came of it stands here
                  afterwards.
                </Empty>
              }
            />
          )}
        </Guarded>
      </Panel>
    </div>
  );
}

function Foretold({ kinds }: { kinds: Calibration[] }) {
  const known = kinds.filter((kind) => kind.pieces > 0);
  if (known.length === 0) {
    return (
      <Empty title="Nothing to compare yet">
        After the first pieces this says how often the truth lay within bounds.
      </Empty>
    );
  }
  return (
    <ul className={styles.kinds}>
      {known.map((kind) => (
        <li key={kind.kind} className={styles.kind}>
          <b className={styles.kindName}>{words(kind.kind)}</b>
          <span>
            {plural(kind.pieces, "piece")}, <b>{ratio(kind.within / kind.pieces)}</b> within bounds
          </span>
          <span className="muted">
            {bytes(kind.reclaimed_bytes)} came back of {bytes(kind.expected_bytes)} expected
          </span>
          {kind.time_ratio > 0 && (
            <span className="muted">took {ratio(kind.time_ratio)} of the time foretold</span>
          )}
        </li>
      ))}
    </ul>
  );
}
