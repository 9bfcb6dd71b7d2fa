// How far the ids of transactions are from their limits, what holds them back, and which tables come first.
import type { ReactNode } from "react";
import { useApi } from "@/api";
import { bytes, count, duration, exact, rate, words } from "@/format";
import { Badge, type Column, Empty, Icon, Panel, Table, Time, type Tone } from "@/ui";
import { Guarded } from "../parts";
import styles from "./Maintenance.module.css";
import type { WraparoundDatabase, WraparoundIds, WraparoundResponse, WraparoundTable } from "./types";

const REFUSED = "The ages of rows are told to those who may see the tables.";
/** Ids wrap at two thousand million. */
const WRAPS_AT = 2_147_483_648;

export function Wraparound() {
  const state = useApi<WraparoundResponse>("/database/maintenance/wraparound", { scoped: true, every: 10 });
  return (
    <Guarded state={state} what="Wraparound" refused={REFUSED} height={320}>
      {(data) =>
        data.databases.length === 0 ? (
          <Empty title="No database was seen yet" icon="maintenance">
            Ages are read every few minutes once a database of the project was reached.
          </Empty>
        ) : (
          <div className="stack">
            {data.databases.map((one) => (
              <Database key={one.database} database={one} />
            ))}
          </div>
        )
      }
    </Guarded>
  );
}

function Database({ database }: { database: WraparoundDatabase }) {
  return (
    <>
      <Panel
        title={database.database}
        note={
          <>
            seen <Time at={database.taken_unix_ms} />
          </>
        }
      >
        <div className="stack">
          {database.away && <Note tone="warn">{database.away}</Note>}
          {database.cannot_advance && (
            <Note tone="bad">
              Something old has been held on to for {duration(database.stands_seconds * 1000)}: nothing
              younger than {count(database.horizon_age)} transactions ago can be frozen.
            </Note>
          )}
          <div className="grid">
            {database.transactions && <Ids title="Transactions" ids={database.transactions} />}
            {database.multixacts && <Ids title="Multixacts" ids={database.multixacts} />}
          </div>
        </div>
      </Panel>
      <Panel title={`Oldest tables of ${database.database}`} flush>
        <Table
          label={`Tables of ${database.database} by age`}
          columns={COLUMNS}
          rows={database.tables}
          rowKey={(row) => `${row.table}/${row.ids}`}
          sortName={`ages-${database.database}`}
          cardHeight={200}
          empty={<Empty title="No table is old" icon="check" />}
        />
      </Panel>
    </>
  );
}

function Note({ tone, children }: { tone: "warn" | "bad"; children: ReactNode }) {
  return (
    <p className={styles.note} data-tone={tone}>
      <Icon name="warning" size={18} />
      <span>{children}</span>
    </p>
  );
}

function Ids({ title, ids }: { title: string; ids: WraparoundIds }) {
  const part = (age: number) => `${Math.min(100, (age / WRAPS_AT) * 100)}%`;
  const next = ids.limits
    .filter((limit) => limit.eta_seconds !== null)
    .sort((a, b) => (a.eta_seconds ?? 0) - (b.eta_seconds ?? 0))[0];
  return (
    <section aria-label={title}>
      <h3 className={styles.idsTitle}>{title}</h3>
      <div
        className={styles.ages}
        role="img"
        aria-label={`The oldest is ${exact(ids.age)} back, of ${exact(WRAPS_AT)}`}
      >
        <span className={styles.age} style={{ width: part(ids.age) }} />
        {ids.limits.map((limit) => (
          <span
            key={limit.limit}
            className={styles.limit}
            style={{ left: part(limit.age) }}
            title={words(limit.limit)}
          />
        ))}
      </div>
      <p>
        The oldest is <b>{count(ids.age)}</b> back
        {ids.per_second !== null && `; ${rate(ids.per_second)} are used`}
        {ids.basis !== "none" && ids.basis !== "" && <span className="muted"> ({words(ids.basis)})</span>}.
      </p>
      <ul className={styles.limits}>
        {ids.limits.map((limit) => (
          <li key={limit.limit} data-next={limit === next || undefined}>
            <span>{words(limit.limit.replace(/^m?xid_/, ""))}</span>
            <span className="muted">at {count(limit.age)}</span>
            <b>{etaOf(limit.eta_seconds)}</b>
          </li>
        ))}
      </ul>
    </section>
  );
}

const etaOf = (seconds: number | null): string => {
  if (seconds === null) return "not in sight";
  return seconds === 0 ? "reached" : `in ${duration(seconds * 1000)}`;
};

const URGENCY: Record<string, Tone> = { emergency: "bad", due: "warn", none: "plain" };

const COLUMNS: Column<WraparoundTable>[] = [
  {
    key: "table",
    title: "Table",
    lead: true,
    cell: (row) => (
      <div>
        <div className="row">
          <b>{row.table}</b>
          {row.urgency !== "none" && (
            <Badge tone={URGENCY[row.urgency] ?? "plain"}>{words(row.urgency)}</Badge>
          )}
          {row.has_autovacuum && <Badge tone="info">autovacuum is at it</Badge>}
          {row.selected && <Badge>would be frozen</Badge>}
        </div>
        <div className={styles.reason}>{row.reason}</div>
      </div>
    ),
    sort: (row) => row.table,
  },
  {
    key: "age",
    title: "Age",
    cell: (row) => `${count(row.age)} of ${count(row.limit)}`,
    sort: (row) => row.age / Math.max(1, row.limit),
    numeric: true,
  },
  {
    key: "eta",
    title: "Autovacuum starts",
    cell: (row) => etaOf(row.eta_seconds),
    sort: (row) => row.eta_seconds,
    numeric: true,
  },
  {
    key: "size",
    title: "Size",
    cell: (row) => bytes(row.size_bytes),
    sort: (row) => row.size_bytes,
    numeric: true,
  },
  {
    key: "cost",
    title: "Freezing costs",
    cell: (row) => bytes(row.cost_bytes),
    sort: (row) => row.cost_bytes,
    numeric: true,
  },
];
