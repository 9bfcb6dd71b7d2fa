// The columns of the violations.
import { Link, setQuery } from "@/router";
import { Badge, type Column, Severity, Time } from "@/ui";
import styles from "./Security.module.css";
import type { Violation } from "./types";
import { doneOf, timesOf } from "./violations";

function What({ row }: { row: Violation }) {
  const others = row.rules.filter((rule) => rule !== row.rule);
  return (
    <span className={styles.two}>
      {row.fingerprint ? (
        <Link to={`/queries/${row.fingerprint}`} title="The statement of this shape">
          {row.summary}
        </Link>
      ) : (
        row.summary
      )}
      <small>
        <button type="button" className={styles.link} onClick={() => setQuery({ rule: row.rule })}>
          {row.rule}
        </button>
        {others.length > 0 && ` and ${others.join(", ")}`}
        {row.score > 0 && ` · score ${row.score}`}
      </small>
    </span>
  );
}

function Done({ row }: { row: Violation }) {
  const { word, tone } = doneOf(row.action);
  return (
    <Badge tone={tone}>
      {word} {timesOf(row)}
    </Badge>
  );
}

function Who({ row }: { row: Violation }) {
  return (
    <span className={styles.two}>
      <span>
        <button type="button" className={styles.link} onClick={() => setQuery({ user: row.user })}>
          {row.user || "nobody known"}
        </button>{" "}
        on{" "}
        <button type="button" className={styles.link} onClick={() => setQuery({ database: row.database })}>
          {row.database || "no database"}
        </button>
      </span>
      <small>
        {row.client && (
          <button type="button" className={styles.link} onClick={() => setQuery({ client: row.client })}>
            {row.client}
          </button>
        )}
        {row.application && ` · ${row.application}`}
      </small>
    </span>
  );
}

export const COLUMNS: Column<Violation>[] = [
  { key: "summary", title: "What happened", lead: true, cell: (row) => <What row={row} /> },
  { key: "action", title: "Done about it", width: "150px", cell: (row) => <Done row={row} /> },
  {
    key: "severity",
    title: "Severity",
    width: "120px",
    cell: (row) => <Severity severity={row.severity} />,
  },
  { key: "who", title: "Who", width: "260px", whole: true, cell: (row) => <Who row={row} /> },
  {
    key: "at_unix_ms",
    title: "When",
    width: "120px",
    numeric: true,
    cell: (row) => <Time at={row.at_unix_ms} />,
  },
];
