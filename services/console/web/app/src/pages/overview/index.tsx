// The overview: how everything is at a glance, live within a second.
import { type DashboardResponse, useApi } from "@/api";
import { Badge, Failed, PageHead, Skeleton, Stale } from "@/ui";
import { Charts } from "./Charts";
import { Headline } from "./Headline";
import { HealthPanel } from "./HealthPanel";
import { AlertsPanel, JobsPanel, QueriesPanel } from "./Lists";
import { BackupsPanel, CachePanel, PoolsPanel } from "./Stores";
import { useHour } from "./useHour";

const EVENTS = ["alert", "pool", "job.requested", "job.started", "job.succeeded", "job.failed"];

export default function OverviewPage() {
  const dashboard = useApi<DashboardResponse>("/database/monitoring/dashboard", {
    every: 20,
    on: EVENTS,
    scoped: true,
  });
  const { data, problem, reload } = dashboard;
  const hour = useHour(data);
  return (
    <>
      <PageHead
        title="Overview"
        lead={data?.health.summary ?? (problem ? undefined : <Skeleton width={320} height={20} />)}
      />
      <div className="stack">
        {data && <Stale state={dashboard} />}
        {data && <Missing parts={data.missing} />}
        <Headline hour={hour} />
        {!data && problem && <Failed problem={problem} retry={reload} what="The overview" />}
        {!data && !problem && <Skeletons />}
        {data && <Panels data={data} hour={hour} />}
      </div>
    </>
  );
}

function Panels({ data, hour }: { data: DashboardResponse; hour: ReturnType<typeof useHour> }) {
  return (
    <>
      <Charts hour={hour} />
      <HealthPanel health={data.health} />
      <div className="grid">
        <AlertsPanel alerts={data.alerts} firing={data.alerts_firing} />
        <QueriesPanel queries={data.queries} />
        <JobsPanel jobs={data.jobs} running={hour.figures?.jobs_running ?? 0} />
      </div>
      <div className="grid">
        <PoolsPanel pools={data.pools} />
        <CachePanel cache={data.cache} />
        <BackupsPanel backups={data.backups} />
      </div>
    </>
  );
}

/** What could not be asked, so that nobody takes an empty panel for good news. */
function Missing({ parts }: { parts: string[] }) {
  if (parts.length === 0) return null;
  return (
    <ul className="row">
      {parts.map((part) => (
        <li key={part}>
          <Badge tone="warn">{part}</Badge>
        </li>
      ))}
    </ul>
  );
}

function Skeletons() {
  return (
    <div className="stack" role="status" aria-label="Loading the overview">
      <div className="grid" style={{ "--column": "420px" }}>
        <Skeleton height={310} />
        <Skeleton height={310} />
      </div>
      <Skeleton height={220} />
    </div>
  );
}
