// Every pool in a row: how much of it is used, who waits, and how long.
import { count, duration, words } from "@/format";
import { Badge, type Column, Empty, Gauge, State, Table } from "@/ui";
import styles from "./Pools.module.css";
import type { PoolNow, PoolUse } from "./types";

type Row = PoolNow & { figures: PoolUse | undefined };

const keyOf = ({ pool }: PoolNow) => `${pool.upstream}/${pool.database}/${pool.role}`;
const used = ({ pool }: PoolNow) => pool.active / Math.max(1, pool.max);

function Use({ pool, figures }: Row) {
  const isFull = pool.active >= pool.max * 0.9;
  return (
    <div className={styles.use}>
      <Gauge
        label={`${pool.database}, ${pool.role}`}
        max={pool.max}
        legend={false}
        parts={[
          { label: "active", value: pool.active, color: isFull ? "bad" : "water-4" },
          { label: "idle", value: pool.idle, color: "water-2" },
        ]}
      />
      <span className={styles.useWords}>
        <b>{pool.active}</b> active · {pool.idle} idle · {pool.total} open of {pool.max}
      </span>
      {pool.waiting > 0 && figures?.reason && <span className={styles.reason}>{figures.reason}</span>}
    </div>
  );
}

function Name({ pool, paused, breaker, figures }: Row) {
  return (
    <div>
      <div className="row">
        <b>{pool.database}</b>
        {paused && <Badge tone="warn">paused</Badge>}
        {(breaker === "open" || breaker === "half_open") && (
          <State state={breaker} title="The server's breaker" />
        )}
      </div>
      <div className={styles.small}>
        {pool.role}@{pool.upstream}
        {figures ? ` · ${words(figures.mode)}` : ""}
      </div>
    </div>
  );
}

/** Milliseconds that a transaction has waited for its connection, on average since the start. */
const usualWait = ({ figures }: Row): number | null =>
  figures && figures.transactions_total > 0 ? figures.wait_ms_total / figures.transactions_total : null;

const COLUMNS: Column<Row>[] = [
  {
    key: "database",
    title: "Pool",
    cell: (row) => <Name {...row} />,
    sort: (row) => row.pool.database,
    lead: true,
    width: "24%",
  },
  { key: "active", title: "In use", cell: (row) => <Use {...row} />, sort: used, lead: true, width: "36%" },
  {
    key: "waiting",
    title: "Waiting",
    cell: ({ pool }) =>
      pool.waiting === 0 ? (
        <span className="muted">nobody</span>
      ) : (
        <Badge tone="bad">{pool.waiting} waiting</Badge>
      ),
    sort: (row) => row.pool.waiting,
  },
  {
    key: "longest_wait_ms",
    title: "Longest now",
    help: "How long the caller has waited by now who waits longest",
    cell: ({ figures }) =>
      figures && figures.longest_wait_ms > 0 ? (
        duration(figures.longest_wait_ms)
      ) : (
        <span className="muted">–</span>
      ),
    sort: (row) => row.figures?.longest_wait_ms ?? 0,
    numeric: true,
  },
  {
    key: "wait_ms",
    title: "Usual wait",
    help: "How long a transaction waited for its connection, on average since the start",
    cell: (row) => duration(usualWait(row)),
    sort: usualWait,
    numeric: true,
  },
  {
    key: "opened_total",
    title: "Opened",
    help: "Connections opened since the gateway's start",
    cell: (row) => count(row.pool.opened_total),
    sort: (row) => row.pool.opened_total,
    numeric: true,
    wideOnly: true,
  },
  {
    key: "closed_total",
    title: "Closed",
    help: "Connections closed since the gateway's start",
    cell: (row) => count(row.pool.closed_total),
    sort: (row) => row.pool.closed_total,
    numeric: true,
    wideOnly: true,
  },
];

export function PoolTable({ pools, figures }: { pools: PoolNow[]; figures: PoolUse[] }) {
  const rows = pools.map((row) => ({
    ...row,
    figures: figures.find((one) => one.database === row.pool.database && one.role === row.pool.role),
  }));
  return (
    <Table
      label="Every pool"
      columns={COLUMNS}
      rows={rows}
      rowKey={keyOf}
      initialSort="-active"
      sortName="pools"
      cardHeight={220}
      empty={
        <Empty title="No pool yet" icon="pools">
          A pool is made for each database and role with the first session. Connect any client to port 6432.
        </Empty>
      }
    />
  );
}
