// Finding the commit that did the harm: by table and time, with what each commit changed.
import { useState } from "react";
import { pathWith, usePages, useSession } from "@/api";
import { clock, day, exact } from "@/format";
import { Button, type Column, Empty, Loaded, More, Table, TextField } from "@/ui";
import styles from "./Restore.module.css";
import type { Commit, CommitsResponse, TableChange } from "./types";
import { fromField } from "./wizard";

interface CommitsProps {
  xid: number | null;
  onChoose: (commit: Commit) => void;
}

const keyOf = (row: Commit): string => `${row.xid}/${row.position?.lsn ?? 0}`;

export function Commits({ xid, onChoose }: CommitsProps) {
  const [table, setTable] = useState("");
  const [since, setSince] = useState("");
  const [until, setUntil] = useState("");
  const path = pathWith("/database/backup/commits", {
    table: /^[^.\s]+\.[^.\s]+$/.test(table.trim()) ? table.trim() : "",
    since: fromField(since),
    until: fromField(until),
    limit: 50,
  });
  const { isOperator } = useSession();
  const pages = usePages<CommitsResponse, Commit>(isOperator ? path : null, {
    rowsOf: (answer) => answer.commits,
    keyOf,
    keep: true,
  });
  return (
    <div className="stack">
      <search className={styles.find} aria-label="Find the commit">
        <TextField
          label="Table that it changed"
          value={table}
          onChange={setTable}
          placeholder="public.orders"
          spellCheck={false}
        />
        <TextField label="Not before" type="datetime-local" step={1} value={since} onChange={setSince} />
        <TextField label="Not after" type="datetime-local" step={1} value={until} onChange={setUntil} />
      </search>
      <div className={styles.commits}>
        <Loaded state={pages.state} what="Commits" height={200}>
          {(commits) => (
            <Table
              label="Commits, the latest first"
              columns={columns(onChoose, xid)}
              rows={commits}
              rowKey={keyOf}
              isMarked={(row) => row.xid === xid}
              sortName="commits"
              end={<More pages={pages} shown={commits.length} what="earlier ones" />}
              empty={
                <Empty
                  title={pages.hasMore ? "Nothing in this part of the log" : "No commit fits"}
                  icon="search"
                >
                  Widen the time, or take the name of the table back.
                </Empty>
              }
            />
          )}
        </Loaded>
      </div>
    </div>
  );
}

const columns = (choose: (commit: Commit) => void, xid: number | null): Column<Commit>[] => [
  {
    key: "at",
    title: "When",
    cell: (row) => `${day(row.committed_unix_ms)}, ${clock(row.committed_unix_ms)}`,
    sort: (row) => row.committed_unix_ms,
    lead: true,
  },
  { key: "xid", title: "Transaction", cell: (row) => row.xid, numeric: true },
  {
    key: "changes",
    title: "What it changed",
    lead: true,
    cell: (row) =>
      row.changes.length === 0 ? (
        <span className="muted">nothing that is known</span>
      ) : (
        <ul className={styles.changes}>
          {row.changes.slice(0, 3).map((change) => (
            <li key={change.table} data-harm={isHarm(change) || undefined}>
              <code>{change.table}</code> {changeWords(change)}
            </li>
          ))}
          {row.changes.length > 3 && <li className="muted">and {row.changes.length - 3} more tables</li>}
        </ul>
      ),
  },
  {
    key: "choose",
    title: "",
    cell: (row) => (
      <Button
        small
        look={row.xid === xid ? "primary" : "plain"}
        aria-pressed={row.xid === xid}
        onClick={() => choose(row)}
      >
        Before this
      </Button>
    ),
  },
];

/** What people look for when something is gone. */
const isHarm = (change: TableChange): boolean => change.replaced || change.deleted >= 1000;

function changeWords({ inserted, updated, deleted, replaced }: TableChange): string {
  const parts = [
    replaced ? "emptied, rewritten or dropped" : "",
    inserted > 0 ? `+${exact(inserted)}` : "",
    updated > 0 ? `~${exact(updated)}` : "",
    deleted > 0 ? `−${exact(deleted)}` : "",
  ];
  return parts.filter((part) => part !== "").join("  ");
}
