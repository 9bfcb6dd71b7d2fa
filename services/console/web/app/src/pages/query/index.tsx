// One shape of statement: what it is, how it fared, its plans, and all that is known about it.
import { useMemo } from "react";
import {
  type PlansResponse,
  type Problem,
  pathWith,
  type QueryResponse,
  type QueryStatistics,
  useApi,
} from "@/api";
import { count, countFigure, duration, durationFigure, exact, rate, ratio } from "@/format";
import { Link, useParams, useQueryState } from "@/router";
import {
  Badge,
  Code,
  CopyButton,
  Empty,
  Gauge,
  Loaded,
  PageHead,
  Panel,
  SelectField,
  type SpanState,
  SpanSwitch,
  Stat,
  Stats,
  Time,
  useSpan,
} from "@/ui";
import { Over } from "./Over";
import { Plans } from "./Plans";
import styles from "./Query.module.css";
import { AdviceOf, AlertsOf, CacheOf, CallersOf, Fact } from "./Related";
import { mostOf } from "./related";

export default function QueryPage() {
  const { fingerprint = "" } = useParams();
  const span = useSpan();
  const [database, setDatabase] = useQueryState("database");
  const path = pathWith(`/database/monitoring/queries/${encodeURIComponent(fingerprint)}`, {
    since: span.sinceUnixMs,
    until: span.untilUnixMs,
  });
  const query = useApi<QueryResponse>(path, { every: 10, scoped: true, keep: true });
  return (
    <>
      <PageHead
        title={
          <span className="row">
            Query <code className={styles.fingerprint}>{fingerprint}</code>
            <CopyButton text={fingerprint} label="Copy the fingerprint" />
          </span>
        }
        lead={<Link to="/queries">All queries</Link>}
        actions={
          <>
            <Databases query={query.data} value={database} onChange={setDatabase} />
            <SpanSwitch span={span} />
          </>
        }
      />
      {isUnknown(query.problem) && query.data === undefined ? (
        <Empty title="This project has no such query" icon="search">
          It may be of another project, or not have run for as long as figures are kept.{" "}
          <Link to="/queries">All queries</Link>
        </Empty>
      ) : (
        <Loaded state={query} what="The query" height={480}>
          {(data) => <Known data={data} database={database} span={span} />}
        </Loaded>
      )}
    </>
  );
}

/** Not of this project, or no fingerprint at all. */
const isUnknown = (problem: Problem | null): boolean => problem?.status === 404 || problem?.status === 400;

interface DatabasesProps {
  query: QueryResponse | undefined;
  value: string;
  onChange: (value: string) => void;
}

function Databases({ query, value, onChange }: DatabasesProps) {
  const names = query?.databases.map((row) => row.database) ?? [];
  if (names.length < 2 && value === "") return null;
  const choices = [
    { value: "", title: "The busiest database" },
    ...names.map((name) => ({ value: name, title: name })),
  ];
  return <SelectField hideLabel label="Database" value={value} onChange={onChange} choices={choices} />;
}

const NO_PLANS: PlansResponse = { plans: [], next: null };

function Known({ data, database, span }: { data: QueryResponse; database: string; span: SpanState }) {
  const { fingerprint } = data;
  const row = mostOf(data.databases, database);
  const plans = useApi<PlansResponse>(`/database/monitoring/queries/${fingerprint}/plans`, {
    every: 60,
    scoped: true,
  });
  const plansAt = useMemo(
    () => firstSeen(plans.data ?? NO_PLANS, span.sinceUnixMs),
    [plans.data, span.sinceUnixMs],
  );
  return (
    <div className="stack">
      <Code
        code={data.query || "The text of this statement is not known yet."}
        language="sql"
        label="The statement"
      />
      {row ? (
        <>
          <Figures row={row} span={span} />
          <Parts row={row} />
        </>
      ) : (
        <Empty title="It did not run in this span" icon="queries">
          Choose a longer one.
        </Empty>
      )}
      <Over fingerprint={fingerprint} database={row?.database ?? database} span={span} plansAt={plansAt} />
      <Loaded state={plans} what="Plans">
        {(found) => <Plans data={found} />}
      </Loaded>
      <div className="grid" style={{ "--column": "420px" }}>
        <AlertsOf fingerprint={fingerprint} />
        <AdviceOf fingerprint={fingerprint} query={data.query} />
        <CacheOf fingerprint={fingerprint} query={data.query} />
        <CallersOf fingerprint={fingerprint} />
      </div>
    </div>
  );
}

/** When a plan came up that had not been there before, within the span. */
const firstSeen = ({ plans }: PlansResponse, sinceUnixMs: number): number[] =>
  plans.map((plan) => plan.first_captured_unix_ms).filter((at) => at >= sinceUnixMs);

function Figures({ row, span }: { row: QueryStatistics; span: SpanState }) {
  const perSecond = row.calls / (span.ms / 1000);
  return (
    <Stats>
      <Stat label="Calls" figure={countFigure(row.calls)} note={rate(perSecond)} />
      <Stat
        label="Errors"
        figure={countFigure(row.errors)}
        tone={row.errors > 0 ? "bad" : "plain"}
        note={row.calls > 0 ? `${ratio(row.errors / row.calls)} of calls` : undefined}
      />
      <Stat label="p50" figure={durationFigure(row.p50_ms)} note={`mean ${duration(row.mean_ms)}`} />
      <Stat label="p95" figure={durationFigure(row.p95_ms)} note={`server ${duration(row.server_p95_ms)}`} />
      <Stat label="p99" figure={durationFigure(row.p99_ms)} note={`longest ${duration(row.max_ms)}`} />
      <Stat
        label="Total"
        figure={durationFigure(row.total_ms)}
        note={`${count(row.slow_calls)} slow calls`}
      />
      <Stat
        label="Rows a call"
        figure={countFigure(row.calls > 0 ? row.rows / row.calls : null)}
        note={`${count(row.rows)} in all`}
      />
    </Stats>
  );
}

/** Where the time of its calls went, and what else is counted. */
function Parts({ row }: { row: QueryStatistics }) {
  const parts = [
    { label: "waited for a connection", value: row.wait_ms, color: "series-5" },
    { label: "server at work", value: row.server_ms, color: "water-4" },
    { label: "waited for the client", value: row.drain_ms, color: "water-2" },
  ];
  // Looking up, guarding and routing, and what no clock tells apart.
  const restMs = row.total_ms - parts.reduce((sum, part) => sum + part.value, 0);
  const errors = Object.entries(row.errors_by_class);
  return (
    <Panel title="Where the time goes" note={`on ${row.database}`}>
      <div className="stack">
        <Gauge label="Parts of the time" parts={parts} max={row.total_ms} legend={false} />
        <dl className={styles.facts}>
          {parts.map((part) => (
            <Fact key={part.label} title={part.label}>
              <span
                className={styles.key}
                style={{ background: `var(--${part.color})` }}
                aria-hidden="true"
              />
              {duration(part.value)}
            </Fact>
          ))}
          {restMs > row.total_ms * 0.001 && <Fact title="the rest">{duration(restMs)}</Fact>}
          <Fact title="kind">
            {row.kind} {row.writes && <Badge>writes</Badge>}
          </Fact>
          <Fact title="first seen">
            <Time at={row.first_seen_unix_ms} />
          </Fact>
          <Fact title="last seen">
            <Time at={row.last_seen_unix_ms} />
          </Fact>
          {errors.length > 0 && (
            <Fact title="errors by class">
              {errors.map(([name, calls]) => (
                <Badge key={name} tone="bad" title={`SQLSTATE ${name}…`}>
                  {name}: {exact(calls)}
                </Badge>
              ))}
            </Fact>
          )}
        </dl>
      </div>
    </Panel>
  );
}
