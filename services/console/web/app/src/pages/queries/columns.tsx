// The columns of the list of statements.
import { useMemo } from "react";
import type { QueryStatistics } from "@/api";
import { count, duration, exact, ratio } from "@/format";
import { Link } from "@/router";
import { Badge, type Column, Sql, Time } from "@/ui";
import { hitRatio } from "./filter";
import styles from "./Queries.module.css";

type Row = QueryStatistics;

const STATEMENT: Column<Row> = {
  key: "query",
  title: "Statement",
  lead: true,
  sort: (row) => row.query,
  cell: (row) => (
    <div className={styles.statement}>
      <Link to={`/queries/${row.fingerprint}`} className={styles.link} title={row.query}>
        {row.query ? <Sql sql={row.query.slice(0, SHOWN)} /> : <code>{row.fingerprint}</code>}
      </Link>
      <span className={styles.where}>
        {row.kind} · {row.database}
        {row.slow_calls > 0 && <Badge tone="warn">{count(row.slow_calls)} slow</Badge>}
      </span>
    </div>
  ),
};

/** A line holds no more, and highlighting the rest is work for nothing. */
const SHOWN = 220;

const latency = (key: "p50_ms" | "p95_ms" | "p99_ms", title: string, help: string): Column<Row> => ({
  key,
  title,
  help,
  numeric: true,
  width: "78px",
  sort: (row) => row[key],
  cell: (row) => duration(row[key]),
});

const REST: Column<Row>[] = [
  latency("p50_ms", "p50", "Half of the calls took at most this"),
  latency("p95_ms", "p95", "95 of 100 calls took at most this"),
  latency("p99_ms", "p99", "99 of 100 calls took at most this"),
  {
    key: "errors",
    title: "Errors",
    numeric: true,
    width: "70px",
    sort: (row) => row.errors,
    cell: (row) =>
      row.errors === 0 ? (
        <span className="muted">0</span>
      ) : (
        <b className={styles.errors}>{count(row.errors)}</b>
      ),
  },
  {
    key: "cache",
    title: "Cache",
    help: "The part of look-ups that the cache answered",
    numeric: true,
    width: "76px",
    sort: hitRatio,
    cell: (row) => ratio(hitRatio(row)),
  },
  {
    key: "last_seen_unix_ms",
    title: "Last seen",
    numeric: true,
    width: "104px",
    sort: (row) => row.last_seen_unix_ms,
    cell: (row) => <Time at={row.last_seen_unix_ms} />,
  },
];

export function useColumns(totalMs: number, mostMs: number): Column<Row>[] {
  return useMemo(
    () => [
      STATEMENT,
      {
        key: "calls",
        title: "Calls",
        numeric: true,
        width: "72px",
        sort: (row) => row.calls,
        cell: (row) => <span title={exact(row.calls)}>{count(row.calls)}</span>,
      },
      {
        key: "total_ms",
        title: "Total time",
        help: "The time of all calls together, and its part of all statements shown",
        numeric: true,
        width: "116px",
        sort: (row) => row.total_ms,
        cell: (row) => <Share ms={row.total_ms} totalMs={totalMs} mostMs={mostMs} />,
      },
      ...REST,
    ],
    [totalMs, mostMs],
  );
}

/** The bar is measured by the heaviest; the part of the whole is a word about it. */
function Share({ ms, totalMs, mostMs }: { ms: number; totalMs: number; mostMs: number }) {
  const width = mostMs > 0 ? Math.max(1, (ms / mostMs) * 100) : 0;
  return (
    <div className={styles.share} title={`${ratio(totalMs > 0 ? ms / totalMs : 0)} of the time of all`}>
      <span>{duration(ms)}</span>
      <span className={styles.part} aria-hidden="true">
        <span style={{ width: `${width}%` }} />
      </span>
    </div>
  );
}
