// The columns of the audit.
import { setQuery } from "@/router";
import { Badge, type Column, Time } from "@/ui";
import { outcomeOf } from "./refused";
import styles from "./Security.module.css";
import type { AuditEntry } from "./types";

function Action({ entry }: { entry: AuditEntry }) {
  const [method = "", ...rest] = entry.action.split(" ");
  return (
    <span className={styles.two}>
      <span className={styles.action} title={entry.target}>
        <b className={styles.method} data-method={method}>
          {method}
        </b>{" "}
        <code>{entry.target || rest.join(" ")}</code>
      </span>
    </span>
  );
}

function Outcome({ status }: { status: number | null }) {
  const { tone, word } = outcomeOf(status);
  return (
    <Badge tone={tone} title={status === null ? "The process ended before it answered" : `Status ${status}`}>
      {word}
      {status !== null && ` ${status}`}
    </Badge>
  );
}

export const COLUMNS: Column<AuditEntry>[] = [
  { key: "action", title: "What was asked", lead: true, cell: (entry) => <Action entry={entry} /> },
  {
    key: "status",
    title: "Outcome",
    width: "130px",
    cell: (entry) => <Outcome status={entry.status} />,
  },
  {
    key: "actor",
    title: "Who",
    width: "200px",
    cell: (entry) => (
      <span className={styles.two}>
        <button type="button" className={styles.link} onClick={() => setQuery({ actor: entry.actor })}>
          {entry.actor}
        </button>
        <small>{entry.project === null ? "whole server" : `project ${entry.project}`}</small>
      </span>
    ),
  },
  {
    key: "remote",
    title: "From",
    width: "150px",
    wideOnly: true,
    cell: (entry) => <code>{entry.remote}</code>,
  },
  {
    key: "at_unix_ms",
    title: "When",
    width: "120px",
    numeric: true,
    cell: (entry) => <Time at={entry.at_unix_ms} />,
  },
];
