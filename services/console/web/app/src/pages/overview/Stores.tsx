// What holds things: pools hold connections, the cache results, the repository backups.
import type { ReactNode } from "react";
import type { DashboardBackups, DashboardCache, DashboardPool } from "@/api";
import { bytes, count, dayClock, duration, exact, rate, ratio } from "@/format";
import { Link } from "@/router";
import { Badge, Empty, Gauge, Panel, State, Time } from "@/ui";
import styles from "./Overview.module.css";

export function PoolsPanel({ pools }: { pools: DashboardPool[] }) {
  return (
    <Panel title="Pools" actions={<Link to="/pools">All</Link>}>
      {pools.length === 0 && (
        <Empty title="No pool to show" icon="pools">
          A pool opens with the first client of a database and role.
        </Empty>
      )}
      <ul className={styles.pools}>
        {pools.map(({ pool, paused, breaker }) => (
          <li key={`${pool.upstream}/${pool.database}/${pool.role}`}>
            <div className={styles.poolHead}>
              <b>{pool.database}</b>
              <span className="muted">as {pool.role}</span>
              {paused && <Badge tone="warn">paused</Badge>}
              {breaker !== "closed" && breaker !== "unspecified" && <State state={breaker} />}
              {pool.waiting > 0 && <Badge tone="bad">{exact(pool.waiting)} waiting</Badge>}
            </div>
            <Gauge
              label={`${pool.database} as ${pool.role}`}
              max={pool.max}
              parts={[
                { label: "active", value: pool.active, color: "water-4" },
                { label: "idle", value: pool.idle, color: "water-2" },
              ]}
            />
          </li>
        ))}
      </ul>
    </Panel>
  );
}

export function CachePanel({ cache }: { cache: DashboardCache | null }) {
  return (
    <Panel title="Cache" note={cache ? "last hour" : undefined} actions={<Link to="/cache">More</Link>}>
      {!cache && (
        <Empty title="No cache to show" icon="cache">
          It is off, or does not answer.
        </Empty>
      )}
      {cache && (
        <dl className={styles.facts}>
          <Fact title="Hit ratio">{ratio(cache.hit_ratio)}</Fact>
          <Fact title="Look-ups">{rate(cache.lookups_per_second)}</Fact>
          <Fact title="Saved each second">{duration(cache.saved_ms_per_second)}</Fact>
          <Fact title="Held">
            {count(cache.entries)} results, {bytes(cache.bytes)}
          </Fact>
          <Fact title="Invalidated within (p99)">{duration(cache.lag_p99_ms)}</Fact>
          <Fact title="Followers">
            {exact(cache.followers)}
            {cache.followers_behind > 0 && <Badge tone="warn">{exact(cache.followers_behind)} behind</Badge>}
          </Fact>
        </dl>
      )}
    </Panel>
  );
}

export function BackupsPanel({ backups }: { backups: DashboardBackups | null }) {
  return (
    <Panel title="Backups" actions={<Link to="/backups">More</Link>}>
      {!backups && (
        <Empty title="No backups to show" icon="backups">
          They concern the whole server, or the service does not answer.
        </Empty>
      )}
      {backups && (
        <dl className={styles.facts}>
          <Fact title="Last backup">
            <Time at={backups.last_success_unix_ms} />
            {backups.failed_lately > 0 && (
              <Badge tone="bad">{exact(backups.failed_lately)} failed lately</Badge>
            )}
          </Fact>
          <Fact title="Last proof by restore">
            <Time at={backups.last_proof_unix_ms} />
          </Fact>
          <Fact title="Recoverable from">{momentOf(backups.recoverable_from_unix_ms)}</Fact>
          <Fact title="Recoverable to">
            <Time at={backups.recoverable_until_unix_ms} />
          </Fact>
          <Fact title="Log not yet archived">{bytes(backups.wal_lag_bytes)}</Fact>
          <Fact title="Running now">{exact(backups.running)}</Fact>
        </dl>
      )}
    </Panel>
  );
}

const momentOf = (unixMs: number): string => (unixMs === 0 ? "nothing yet" : dayClock(unixMs));

function Fact({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div>
      <dt>{title}</dt>
      <dd>{children}</dd>
    </div>
  );
}
