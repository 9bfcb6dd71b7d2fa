// How the log reaches the repositories, what would be lost now, and in what state each repository is.
import { bytes, count, duration, words } from "@/format";
import { Badge, Bar, Empty } from "@/ui";
import styles from "./Backups.module.css";
import { lsnText } from "./recovery";
import type { Repository, WalState } from "./types";

export function Log({ clusters }: { clusters: WalState[] }) {
  if (clusters.length === 0)
    return <Empty title="No cluster">Name a cluster in backup.clusters to have its log kept.</Empty>;
  return (
    <div className="stack">
      {clusters.map((one) => (
        <Cluster key={one.cluster} wal={one} />
      ))}
    </div>
  );
}

function Cluster({ wal }: { wal: WalState }) {
  const isOff = wal.way === "off" || wal.way === "unspecified";
  const held = wal.slot_guard_bytes > 0 ? wal.slot_retained_bytes / wal.slot_guard_bytes : null;
  return (
    <section aria-label={`Log of ${wal.cluster}`} className="stack">
      <div className="row">
        <b>{wal.cluster}</b>
        <Badge tone={isOff ? "bad" : wal.way === "streaming" ? "good" : "warn"} dot>
          {isOff ? "log is not kept" : words(wal.way)}
        </Badge>
        {wal.reason && <span className={styles.small}>{wal.reason}</span>}
      </div>
      <dl className={styles.facts}>
        <Fact
          name="Would be lost now"
          value={isOff ? "everything since the last backup" : duration(wal.exposure_ms)}
        />
        <Fact name="At worst in the last hour" value={duration(wal.exposure_p99_ms)} />
        <Fact name="Not safe yet" value={bytes(wal.lag_bytes)} />
        <Fact name="The server writes at" value={lsnText(wal.server)} />
        <Fact name="Received up to" value={lsnText(wal.received)} />
        <Fact name="Safe up to" value={lsnText(wal.durable)} />
      </dl>
      {wal.slot && (
        <div className={styles.slot}>
          <p>
            The slot <code>{wal.slot}</code> holds {bytes(wal.slot_retained_bytes)} back at the server
            {held !== null && `; at ${bytes(wal.slot_guard_bytes)} it is given up`}.
          </p>
          {held !== null && <Bar part={held} label="Log held back, of what is allowed" />}
        </div>
      )}
    </section>
  );
}

const Fact = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
);

export function Repositories({ repositories }: { repositories: Repository[] }) {
  if (repositories.length === 0) {
    return (
      <Empty title="No repository" icon="backups">
        Backups need a place to be: name one in <code>backup.repositories</code> and read the settings again.
      </Empty>
    );
  }
  return (
    <ul className={styles.repositories}>
      {repositories.map((one) => (
        <li key={one.name} className={styles.repository} data-away={!one.reachable || undefined}>
          <div className="row">
            <b>{one.name}</b>
            <Badge tone={one.reachable ? "good" : "bad"} dot>
              {one.reachable ? "reachable" : "away"}
            </Badge>
            {one.object_lock && <Badge tone="info">locked against removal</Badge>}
          </div>
          <code className={styles.url}>{one.url}</code>
          {one.trouble && <p className={styles.bad}>{one.trouble}</p>}
          <p className={styles.small}>
            {bytes(one.stored_bytes)} in {count(one.stored_objects)} objects · {count(one.backups)} backups
            {one.garbage_bytes > 0 && ` · ${bytes(one.garbage_bytes)} await removal`}
          </p>
        </li>
      ))}
    </ul>
  );
}
