// The catalogue: each backup with its size, what it is built upon, where it is, whether it is proven, how long it stays.
import type { ReactNode } from "react";
import { bytes, day, dayClock, plural, words } from "@/format";
import { Badge, Button, type Column, Empty, State, Table } from "@/ui";
import styles from "./Backups.module.css";
import { chainOf } from "./recovery";
import type { Backup } from "./types";

interface ListProps {
  backups: readonly Backup[];
  chosen: string | null;
  onChoose: (id: string) => void;
  /** How the list goes on. */
  end: ReactNode;
}

const columns = (backups: readonly Backup[], onChoose: (id: string) => void): Column<Backup>[] => [
  {
    key: "ended",
    title: "When",
    lead: true,
    cell: (row) => (
      <div>
        <Button small look="quiet" className={styles.when} onClick={() => onChoose(row.id)}>
          {dayClock(row.ended_unix_ms)}
        </Button>
        {row.note && <span className={styles.small}>{row.note}</span>}
      </div>
    ),
    sort: (row) => row.ended_unix_ms,
  },
  {
    key: "kind",
    title: "Kind",
    cell: (row) => (row.project ? `export of ${row.project}` : words(row.kind)),
    sort: (row) => row.kind,
  },
  {
    key: "state",
    title: "State",
    cell: (row) => (
      <span className="row">
        <State state={row.state} />
        {row.corrupt_pages > 0 && <Badge tone="bad">{plural(row.corrupt_pages, "corrupt page")}</Badge>}
      </span>
    ),
    sort: (row) => row.state,
  },
  {
    key: "source_bytes",
    title: "Holds",
    cell: (row) => bytes(row.source_bytes),
    sort: (row) => row.source_bytes,
    numeric: true,
  },
  {
    key: "stored_bytes",
    title: "Added",
    help: "What it added to the repository",
    cell: (row) => bytes(row.stored_bytes),
    sort: (row) => row.stored_bytes,
    numeric: true,
  },
  {
    key: "chain",
    title: "Shares data with",
    help: "Backups that it took unchanged data from. A restore needs no chain to be replayed.",
    cell: (row) => {
      const { length } = chainOf(backups, row);
      return length === 0 ? <span className="muted">none</span> : plural(length, "backup");
    },
    sort: (row) => chainOf(backups, row).length,
    wideOnly: true,
  },
  { key: "repositories", title: "In", cell: (row) => row.repositories.join(", ") },
  {
    key: "expires",
    title: "Kept until",
    cell: (row) => keptUntil(row),
    sort: (row) => (row.keep ? Number.MAX_SAFE_INTEGER : row.expires_unix_ms),
  },
];

export function keptUntil(row: Backup) {
  if (row.keep) return <Badge tone="info">kept by hand</Badge>;
  return row.expires_unix_ms === 0 ? "as long as rules need it" : day(row.expires_unix_ms);
}

export function List({ backups, chosen, onChoose, end }: ListProps) {
  return (
    <Table
      label="The catalogue of backups"
      columns={columns(backups, onChoose)}
      rows={backups}
      rowKey={(row) => row.id}
      initialSort="-ended"
      sortName="backups"
      isMarked={(row) => row.id === chosen}
      cardHeight={220}
      end={end}
      empty={
        <Empty title="No backup yet" icon="backups">
          Take the first one with “Take a backup”. Afterwards the schedules take them by themselves.
        </Empty>
      }
    />
  );
}
