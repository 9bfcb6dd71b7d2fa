// What goes on: alerts that fire, jobs, the statements that take most time.
import { useState } from "react";
import {
  type Alert,
  type BusEvent,
  type Progress as Far,
  type Job,
  type QueryStatistics,
  useLive,
} from "@/api";
import { count, duration, words } from "@/format";
import { Link } from "@/router";
import { Badge, Empty, Panel, Progress, Severity, Sql, State, Time } from "@/ui";
import styles from "./Overview.module.css";

export function AlertsPanel({ alerts, firing }: { alerts: Alert[]; firing: number }) {
  return (
    <Panel
      title="Alerts"
      note={firing > alerts.length ? `${alerts.length} of ${count(firing)}` : undefined}
      actions={<Link to="/alerts">All</Link>}
      flush
    >
      {alerts.length === 0 && (
        <Empty title="Nothing fires" icon="check">
          Rules are judged all the time; what they find stands here within a second.
        </Empty>
      )}
      <ul>
        {alerts.map((alert) => (
          <li key={alert.id} className={styles.entry}>
            <div className={styles.entryHead}>
              <Severity severity={alert.severity} />
              <b>{alert.rule}</b>
              <span className={styles.entryTime}>
                <Time at={alert.since_unix_ms} />
              </span>
            </div>
            <p className={styles.entryText}>
              {alert.fingerprint ? (
                <Link to={`/queries/${alert.fingerprint}`}>{alert.summary}</Link>
              ) : (
                alert.summary
              )}
            </p>
            {alert.acknowledged_by && <Badge>{alert.acknowledged_by} looks after it</Badge>}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

export function JobsPanel({ jobs, running }: { jobs: Job[]; running: number }) {
  const far = useProgress();
  return (
    <Panel
      title="Jobs"
      note={running > 0 ? `${count(running)} running` : undefined}
      actions={<Link to="/maintenance">Maintenance</Link>}
      flush
    >
      {jobs.length === 0 && (
        <Empty title="No job yet" icon="maintenance">
          Schedules and people ask for jobs: <Link to="/maintenance">see what is due</Link>.
        </Empty>
      )}
      <ul>
        {jobs.map((job) => (
          <li key={job.id} className={styles.entry}>
            <div className={styles.entryHead}>
              <State state={job.state} />
              <b>{words(job.operation)}</b>
              <span className={styles.entryTime}>
                <Time at={job.ended_unix_ms || job.started_unix_ms || job.requested_unix_ms} />
              </span>
            </div>
            {job.state === "running" && (
              <Progress label={words(job.operation)} progress={far.get(job.id) ?? job.progress} />
            )}
            {job.error && <p className={styles.entryError}>{job.error}</p>}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** How far jobs are, as events tell it. */
function useProgress(): ReadonlyMap<string, Far> {
  const [far, setFar] = useState<ReadonlyMap<string, Far>>(new Map());
  useLive(["job.progress"], (event) => {
    const { job_id, progress } = (event.data as BusEvent<{ job_id: string; progress: Far | null }>).data;
    if (progress) setFar((before) => new Map([...before, [job_id, progress] as const].slice(-50)));
  });
  return far;
}

export function QueriesPanel({ queries }: { queries: QueryStatistics[] }) {
  const most = queries[0]?.total_ms ?? 0;
  return (
    <Panel title="Heaviest statements" note="last hour" actions={<Link to="/queries">All</Link>} flush>
      {queries.length === 0 && (
        <Empty title="No statement yet" icon="queries">
          Statements that come through Weir are counted here by shape.
        </Empty>
      )}
      <ol>
        {queries.map((query) => (
          <li key={`${query.fingerprint}/${query.database}`} className={styles.entry}>
            <Link to={`/queries/${query.fingerprint}`} className={styles.statement}>
              <Sql sql={query.query || query.fingerprint} />
            </Link>
            <div className={styles.share} aria-hidden="true">
              <span style={{ width: `${most > 0 ? (query.total_ms / most) * 100 : 0}%` }} />
            </div>
            <div className={styles.figures}>
              <span>{duration(query.total_ms)} in all</span>
              <span>{count(query.calls)} calls</span>
              <span>p95 {duration(query.p95_ms)}</span>
            </div>
          </li>
        ))}
      </ol>
    </Panel>
  );
}
