// The reports there are, the newest first.
import type { ReactNode } from "react";
import { duration, rate } from "@/format";
import { type Column, Panel, State, Table, Time } from "@/ui";
import styles from "./Testing.module.css";
import type { ReportSummary } from "./types";
import { VerdictBadge } from "./VerdictBadge";

interface ReportListProps {
  reports: readonly ReportSummary[];
  shown: string;
  choose: (id: string) => void;
  /** How the list goes on. */
  end: ReactNode;
}

export function ReportList({ reports, shown, choose, end }: ReportListProps) {
  return (
    <Panel title="Reports" flush>
      <Table
        label="All reports"
        columns={columnsWith(choose)}
        rows={reports}
        rowKey={(report) => report.id}
        isMarked={(report) => report.id === shown}
        sortName="reports"
        initialSort="-started_unix_ms"
        end={end}
      />
    </Panel>
  );
}

const columnsWith = (choose: (id: string) => void): Column<ReportSummary>[] => [
  {
    key: "started_unix_ms",
    title: "Run",
    cell: (report) => (
      <button type="button" className={styles.link} onClick={() => choose(report.id)}>
        {report.kind}, <Time at={report.started_unix_ms} />
      </button>
    ),
    sort: (report) => report.started_unix_ms,
  },
  {
    key: "verdict",
    title: "Verdict",
    cell: (report) =>
      report.state === "succeeded" ? (
        <VerdictBadge verdict={report.verdict} />
      ) : (
        <State state={report.state} title={report.error} />
      ),
    sort: (report) => report.verdict,
  },
  {
    key: "checks",
    title: "Checks",
    cell: (report) =>
      [
        `${report.checks_passed} passed`,
        report.checks_failed > 0 && `${report.checks_failed} failed`,
        report.checks_skipped > 0 && `${report.checks_skipped} skipped`,
      ]
        .filter(Boolean)
        .join(", "),
  },
  {
    key: "queries_per_second",
    title: "Pooled",
    numeric: true,
    cell: (report) => rate(report.queries_per_second),
    sort: (report) => report.queries_per_second,
  },
  {
    key: "p95_ms",
    title: "p95",
    numeric: true,
    cell: (report) => duration(report.p95_ms),
    sort: (report) => report.p95_ms,
  },
  { key: "requested_by", title: "By", cell: (report) => report.requested_by, sort: (r) => r.requested_by },
];
