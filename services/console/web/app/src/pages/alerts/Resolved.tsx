// What fired lately and has ended.
import { type Alert, type AlertsResponse, pathWith, useProject } from "@/api";
import { usePages } from "@/api/usePages";
import { duration } from "@/format";
import { Link } from "@/router";
import { type Column, Empty, Loaded, More, Panel, Severity, Table, Time } from "@/ui";
import { ALERTS } from "./types";
import { figureOf } from "./units";

const RANK: Record<string, number> = { critical: 3, warning: 2, info: 1 };

export function Resolved({ metricOf }: { metricOf: (rule: string) => string | null }) {
  const project = useProject();
  const pages = usePages<AlertsResponse, Alert>(
    pathWith(ALERTS, { state: "resolved", project, limit: 100 }),
    { rowsOf: (answer) => answer.alerts, keyOf: (alert) => alert.id, on: ["alert"], every: 30 },
  );
  return (
    <Panel title="Resolved lately" flush>
      <Loaded state={pages.state} what="Resolved alerts" height={240}>
        {(alerts) => (
          <>
            <Table
              label="Resolved alerts"
              columns={columnsWith(metricOf)}
              rows={alerts}
              rowKey={(alert) => alert.id}
              sortName="resolved"
              initialSort="-resolved_unix_ms"
              empty={<Empty title="Nothing has fired lately" icon="check" />}
            />
            <More pages={pages} shown={alerts.length} />
          </>
        )}
      </Loaded>
    </Panel>
  );
}

const columnsWith = (metricOf: (rule: string) => string | null): Column<Alert>[] => [
  {
    key: "severity",
    title: "Severity",
    width: "110px",
    cell: (alert) => <Severity severity={alert.severity} />,
    sort: (alert) => RANK[alert.severity] ?? 0,
  },
  {
    key: "summary",
    title: "What was wrong",
    lead: true,
    cell: (alert) =>
      alert.fingerprint ? <Link to={`/queries/${alert.fingerprint}`}>{alert.summary}</Link> : alert.summary,
  },
  {
    key: "rule",
    title: "Rule",
    width: "180px",
    cell: (alert) => <code>{alert.rule}</code>,
    sort: (alert) => alert.rule,
  },
  {
    key: "value",
    title: "Value",
    width: "110px",
    numeric: true,
    help: "The last value above its bound",
    cell: (alert) => figureOf(metricOf(alert.rule), alert.value),
  },
  {
    key: "lasted",
    title: "Lasted",
    width: "120px",
    numeric: true,
    cell: (alert) => duration(alert.resolved_unix_ms - alert.since_unix_ms),
    sort: (alert) => alert.resolved_unix_ms - alert.since_unix_ms,
  },
  {
    key: "resolved_unix_ms",
    title: "Ended",
    width: "110px",
    numeric: true,
    cell: (alert) => <Time at={alert.resolved_unix_ms} />,
    sort: (alert) => alert.resolved_unix_ms,
  },
];
