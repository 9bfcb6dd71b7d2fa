// How each database is followed: how late invalidations are, what the slot holds back, and tables that cannot be followed.
import { bytes, duration, exact, plural, words } from "@/format";
import { Badge, Code, type Column, Empty, Table, type Tone } from "@/ui";
import styles from "./Cache.module.css";
import type { Follower, FollowerState } from "./types";

const TONES: Record<FollowerState, Tone> = {
  unspecified: "plain",
  standby: "plain",
  starting: "info",
  following: "good",
  lagging: "warn",
  blocked: "bad",
};

/** Bytes of the log that are turned into tags and not yet known to be visible. */
const unseen = (row: Follower) => Math.max(0, row.applied_lsn - row.visible_lsn);

const COLUMNS: Column<Follower>[] = [
  {
    key: "database",
    title: "Database",
    cell: (row) => (
      <div>
        <b>{row.database}</b>
        <div className={styles.why}>{row.upstream}</div>
      </div>
    ),
    sort: (row) => row.database,
  },
  {
    key: "state",
    title: "State",
    cell: (row) => (
      <div>
        <Badge tone={TONES[row.state]} dot>
          {words(row.state)}
        </Badge>
        {row.hindrance && <div className={styles.hindrance}>{row.hindrance}</div>}
      </div>
    ),
    sort: (row) => row.state,
  },
  {
    key: "lag_p50_ms",
    title: "Half told within",
    cell: (row) => duration(row.lag_p50_ms),
    sort: (row) => row.lag_p50_ms,
    numeric: true,
  },
  {
    key: "lag_p99_ms",
    title: "99 % within",
    cell: (row) => duration(row.lag_p99_ms),
    sort: (row) => row.lag_p99_ms,
    numeric: true,
  },
  {
    key: "unseen",
    title: "Not visible yet",
    help: "Log that is read and not yet known to be visible to new reads",
    cell: (row) => bytes(unseen(row)),
    sort: unseen,
    numeric: true,
    wideOnly: true,
  },
  {
    key: "retained_wal_bytes",
    title: "Held back by the slot",
    cell: (row) => bytes(row.retained_wal_bytes),
    sort: (row) => row.retained_wal_bytes,
    numeric: true,
  },
  { key: "sequence", title: "Messages", cell: (row) => exact(row.sequence), numeric: true, wideOnly: true },
  {
    key: "ddl_watch",
    title: "Definitions",
    help: "How a change of definitions or rights is noticed",
    cell: (row) => words(row.ddl_watch),
    wideOnly: true,
  },
];

export function Followers({ followers }: { followers: Follower[] }) {
  return (
    <>
      <Table
        label="Followed databases"
        columns={COLUMNS}
        rows={followers}
        rowKey={(row) => `${row.upstream}/${row.database}`}
        sortName="followers"
        empty={
          <Empty title="No database is followed" icon="cache">
            Nothing is served from the cache until one is. The log of a database is read once its first
            statement is looked up.
          </Empty>
        }
      />
      {followers.map((one) => (
        <Unfollowed key={`${one.upstream}/${one.database}`} follower={one} />
      ))}
    </>
  );
}

function Unfollowed({ follower }: { follower: Follower }) {
  if (follower.unfollowed.length === 0) return null;
  return (
    <details className={styles.unfollowed}>
      <summary>
        {plural(follower.unfollowed.length, "table")} of {follower.database} cannot be followed, so statements
        on {follower.unfollowed.length === 1 ? "it" : "them"} are not cached
      </summary>
      <ul className={styles.unfollowedList}>
        {follower.unfollowed.map((table) => (
          <li key={table.relation}>
            <b>{table.relation}</b> <span className="muted">{words(table.reason)}</span>
            {table.advice && (
              <Code code={table.advice} language="sql" label={`What helps ${table.relation}`} />
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}
