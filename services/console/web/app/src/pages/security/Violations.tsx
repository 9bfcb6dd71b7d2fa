// Violations of rules of the PostgreSQL door, as the live stream tells them while one looks. Nothing where there are none.
import { useState } from "react";
import { type BusEvent, useLive, useProject } from "@/api";
import { Link } from "@/router";
import { Badge, type Column, Panel, Severity, Table, Time } from "@/ui";
import styles from "./Security.module.css";
import type { SecurityViolation } from "./types";

const KEPT_MAX = 100;

interface Seen extends SecurityViolation {
  id: string;
}

export function Violations() {
  const project = useProject();
  const [seen, setSeen] = useState<Seen[]>([]);
  useLive(["security.violation"], (event) => {
    const { id, data } = event.data as BusEvent<SecurityViolation>;
    setSeen((before) => [{ ...data, id }, ...before.filter((one) => one.id !== id)].slice(0, KEPT_MAX));
  });
  const mine = seen.filter((one) => project === "*" || one.project === project);
  return (
    <div role="status" aria-live="polite">
      {mine.length > 0 && (
        <Panel title="Violations since this page was opened" note={mine.length} flush>
          <Table
            label="All violations"
            columns={COLUMNS}
            rows={mine}
            rowKey={(row) => row.id}
            sortName="violations"
          />
        </Panel>
      )}
    </div>
  );
}

const COLUMNS: Column<Seen>[] = [
  {
    key: "summary",
    title: "What happened",
    cell: (row) =>
      row.fingerprint ? <Link to={`/queries/${row.fingerprint}`}>{row.summary}</Link> : row.summary,
  },
  {
    key: "action",
    title: "Done about it",
    cell: (row) => <Badge tone={row.action === "blocked" ? "good" : "warn"}>{row.action}</Badge>,
  },
  { key: "severity", title: "Severity", cell: (row) => <Severity severity={row.severity} /> },
  { key: "rule", title: "Rule", cell: (row) => <code>{row.rule}</code> },
  {
    key: "who",
    title: "Who",
    whole: true,
    cell: (row) => (
      <span className={styles.two}>
        {row.user} on {row.database}
        <small>{[row.client, row.application].filter(Boolean).join(" · ")}</small>
      </span>
    ),
  },
  {
    key: "at_unix_ms",
    title: "When",
    cell: (row) => <Time at={row.at_unix_ms} />,
    sort: (row) => row.at_unix_ms,
  },
];
