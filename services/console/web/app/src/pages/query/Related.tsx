// What else is known of a statement: alerts and their traces, advice, the cache, who calls it now.
import type { ReactNode } from "react";
import {
  type ActivityResponse,
  type Advice,
  type Alert,
  type AlertsResponse,
  type CacheShape,
  type CacheShapesResponse,
  pathWith,
  type RecommendationsResponse,
  useApi,
  useSession,
} from "@/api";
import { bytes, duration, exact, ratio, words } from "@/format";
import { Link } from "@/router";
import {
  Badge,
  Code,
  type Column,
  CopyButton,
  Empty,
  Loaded,
  Panel,
  Severity,
  State,
  Table,
  Time,
  type Tone,
} from "@/ui";
import styles from "./Query.module.css";
import { adviceOf, alertsOf, shapesOf, tracesOf } from "./related";

const ROW = 200;
/** The whole server and every table is looked at for advice. */
const ADVICE_MS = 60_000;

export function AlertsOf({ fingerprint }: { fingerprint: string }) {
  const path = pathWith("/database/monitoring/alerts", { fingerprint, limit: ROW });
  const alerts = useApi<AlertsResponse>(path, { every: 30, on: ["alert"], scoped: true });
  return (
    <Panel title="Alerts and traces">
      <Loaded state={alerts} what="Alerts">
        {(data) => <AlertList alerts={alertsOf(data.alerts, fingerprint)} />}
      </Loaded>
    </Panel>
  );
}

function AlertList({ alerts }: { alerts: Alert[] }) {
  if (alerts.length === 0) {
    return (
      <Empty title="No alert concerns it" icon="check">
        Neither now nor lately.
      </Empty>
    );
  }
  const traces = tracesOf(alerts);
  return (
    <div className="stack">
      <ul className={styles.list}>
        {alerts.map((alert) => (
          <li key={alert.id}>
            <div className="row">
              <Severity severity={alert.severity} />
              <State state={alert.state} />
              <b>{alert.rule}</b>
              <span className="muted">
                <Time at={alert.since_unix_ms} />
              </span>
            </div>
            <p>{alert.summary}</p>
          </li>
        ))}
      </ul>
      {traces.length > 0 && (
        <div>
          <h3 className={styles.small}>Traces that show it</h3>
          <ul>
            {traces.map((trace) => (
              <li key={trace} className={styles.trace}>
                <code>{trace}</code>
                <CopyButton text={trace} label="Copy the trace id" />
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}

const IMPACTS: Record<Advice["impact"], Tone> = {
  unspecified: "plain",
  danger: "bad",
  high: "warn",
  medium: "info",
  low: "plain",
};

export function AdviceOf({ fingerprint, query }: { fingerprint: string; query: string }) {
  const advice = useApi<RecommendationsResponse>("/database/monitoring/recommendations", {
    scoped: true,
    timeoutMs: ADVICE_MS,
  });
  return (
    <Panel title="Advice" actions={<Link to="/advice">All</Link>}>
      <Loaded state={advice} what="Advice">
        {(data) => {
          const related = adviceOf(data.recommendations, fingerprint, query);
          if (related.length === 0) return <Empty title="Nothing to advise" icon="advice" />;
          return (
            <ul className={styles.list}>
              {related.map(({ advice: one, isNamed }) => (
                <li key={one.id}>
                  <div className="row">
                    <Badge tone={IMPACTS[one.impact]}>{one.impact}</Badge>
                    {!isNamed && <Badge>about {one.table}</Badge>}
                    <b>{one.summary}</b>
                  </div>
                  <p>{one.reason}</p>
                  {one.statement && (
                    <Code code={one.statement} language="sql" label="Statement of the advice" />
                  )}
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
    </Panel>
  );
}

export function CacheOf({ fingerprint, query }: { fingerprint: string; query: string }) {
  const path = pathWith("/database/cache/shapes", { fingerprint, search: query.slice(0, 200), limit: ROW });
  const shapes = useApi<CacheShapesResponse>(path, { every: 30, scoped: true });
  return (
    <Panel title="Cache" actions={<Link to="/cache">Policies</Link>}>
      <Loaded state={shapes} what="The cache's view of it">
        {(data) => {
          const own = shapesOf(data.shapes, fingerprint);
          if (own.length > 0) return own.map((shape) => <Shape key={shape.database} shape={shape} />);
          return (
            <Empty title="The cache does not know it" icon="cache">
              It was not looked up lately, or may not be cached. The page of the cache explains why for any
              statement.
            </Empty>
          );
        }}
      </Loaded>
    </Panel>
  );
}

function Shape({ shape }: { shape: CacheShape }) {
  const { decision, benefit } = shape;
  return (
    <div className="stack">
      <p>
        <Badge tone={decision?.mode === "never" ? "plain" : "good"}>
          {words(decision?.mode ?? "unspecified")}
        </Badge>{" "}
        {decision?.reason} <span className="muted">on {shape.database}</span>
      </p>
      {benefit && (
        <dl className={styles.facts}>
          <Fact title="Hit ratio">{ratio(benefit.hit_ratio)}</Fact>
          <Fact title="A hit takes">{duration(benefit.hit_us / 1000)}</Fact>
          <Fact title="A miss takes">{duration(benefit.miss_us / 1000)}</Fact>
          <Fact title="Saved each second">{duration(benefit.saved_us_per_second / 1000)}</Fact>
          <Fact title="Results held">{exact(shape.entries_memory)}</Fact>
          <Fact title="Their size">{bytes(shape.bytes)}</Fact>
        </dl>
      )}
    </div>
  );
}

export function Fact({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div>
      <dt>{title}</dt>
      <dd>{children}</dd>
    </div>
  );
}

type Session = ActivityResponse["sessions"][number];

const CALLERS: Column<Session>[] = [
  {
    key: "application",
    title: "Application",
    lead: true,
    sort: (row) => row.application,
    cell: (row) => row.application || <span className="muted">unnamed</span>,
  },
  { key: "role", title: "Role", sort: (row) => row.role, cell: (row) => row.role },
  { key: "address", title: "From", cell: (row) => row.address || "socket" },
  {
    key: "state",
    title: "State",
    cell: (row) => (row.wait_event ? `${row.state}, waits: ${row.wait_event}` : row.state),
  },
  {
    key: "since",
    title: "For",
    numeric: true,
    sort: (row) => row.state_seconds,
    cell: (row) => duration(row.state_seconds * 1000),
  },
];

/** Sessions belong to the whole server: only the operator sees them. */
export function CallersOf({ fingerprint }: { fingerprint: string }) {
  const { isOperator } = useSession();
  const activity = useApi<ActivityResponse>(isOperator ? "/database/monitoring/activity" : null, {
    every: 5,
  });
  if (!isOperator) return null;
  return (
    <Panel title="Callers now" note="sessions whose last statement it is" flush>
      <Loaded state={activity} what="Sessions">
        {(data) => (
          <Table
            label="Callers now"
            columns={CALLERS}
            rows={data.sessions.filter((session) => session.fingerprint === fingerprint)}
            rowKey={(row) => `${row.upstream}/${row.pid}`}
            sortName="callers"
            initialSort="-since"
            empty={
              <Empty title="No session is at it" icon="pools">
                Only sessions in a transaction, waiting or active are seen.
              </Empty>
            }
          />
        )}
      </Loaded>
    </Panel>
  );
}
