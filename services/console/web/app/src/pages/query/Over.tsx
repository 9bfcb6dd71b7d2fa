// How a statement fared over time: percentiles with what happened marked, calls and errors, the heat-map.
import { useMemo } from "react";
import {
  type AlertsResponse,
  type ChangesResponse,
  type HeatmapResponse,
  pathWith,
  type TimelineResponse,
  useApi,
} from "@/api";
import { duration, rate } from "@/format";
import { Chart, Empty, Loaded, type Marker, Panel, type Series, type SpanState } from "@/ui";
import type { Column } from "@/ui/decimate";
import { HeatMap } from "./HeatMap";
import { markersOf } from "./markers";
import { timelineColumns } from "./timeline";

const LATENCY: Series[] = [
  { label: "p99", color: "series-3" },
  { label: "p95", color: "series-2", kind: "area" },
  { label: "p50", color: "series-1", kind: "area" },
];
const CALLS: Series[] = [
  { label: "calls", color: "series-2", kind: "area" },
  { label: "errors", color: "series-4" },
];

interface OverProps {
  fingerprint: string;
  database: string;
  span: SpanState;
  plansAt: readonly number[];
}

export function Over({ fingerprint, database, span, plansAt }: OverProps) {
  const base = `/database/monitoring/queries/${fingerprint}`;
  const asked = { since: span.sinceUnixMs, until: span.untilUnixMs, database };
  const options = { every: 30, scoped: true, keep: true };
  const timeline = useApi<TimelineResponse>(pathWith(`${base}/timeline`, asked), options);
  const heatmap = useApi<HeatmapResponse>(pathWith(`${base}/heatmap`, asked), options);
  const changes = useApi<ChangesResponse>(
    pathWith("/database/monitoring/changes", { since: span.sinceUnixMs, limit: 200 }),
    options,
  );
  const alerts = useApi<AlertsResponse>(
    pathWith("/database/monitoring/alerts", { fingerprint, limit: 200 }),
    options,
  );
  const markers = useMemo(
    () => markersOf(fingerprint, alerts.data?.alerts ?? [], changes.data?.changes ?? [], plansAt),
    [fingerprint, alerts.data, changes.data, plansAt],
  );
  return (
    <>
      <Panel title="Latency of calls" note={`last ${span.title}, every call counted`}>
        <Loaded state={heatmap} height={272} what="The heat-map">
          {(data) =>
            data.spans.some((one) => one.counts.some((calls) => calls > 0)) ? (
              <HeatMap data={data} sinceUnixMs={span.sinceUnixMs} untilUnixMs={span.untilUnixMs} />
            ) : (
              <Nothing />
            )
          }
        </Loaded>
      </Panel>
      <div className="grid" style={{ "--column": "420px" }}>
        <Panel title="Percentiles" note={`last ${span.title}`}>
          <Loaded state={timeline} height={248} what="The timeline">
            {(data) => <Timeline data={data} markers={markers} span={span} />}
          </Loaded>
        </Panel>
        <Panel title="Calls" note={`last ${span.title}`}>
          <Loaded state={timeline} height={248} what="The timeline">
            {(data) => <Calls data={data} span={span} />}
          </Loaded>
        </Panel>
      </div>
    </>
  );
}

const Nothing = () => (
  <Empty title="It did not run in this span" icon="queries">
    Choose a longer one.
  </Empty>
);

interface TimelineProps {
  data: TimelineResponse;
  span: SpanState;
}

function Timeline({ data, markers, span }: TimelineProps & { markers: readonly Marker[] }) {
  const columns = useMemo<Column[]>(
    () => timelineColumns(data.spans, [(row) => row.p99_ms, (row) => row.p95_ms, (row) => row.p50_ms]),
    [data.spans],
  );
  if (data.spans.length === 0) return <Nothing />;
  return (
    <Chart
      label="Percentiles of latency"
      data={columns}
      series={LATENCY}
      format={duration}
      markers={markers}
      syncKey="query"
      fromUnixMs={span.sinceUnixMs}
      toUnixMs={span.untilUnixMs}
    />
  );
}

function Calls({ data, span }: TimelineProps) {
  const columns = useMemo<Column[]>(
    () =>
      timelineColumns(data.spans, [
        (row, seconds) => row.calls / seconds,
        (row, seconds) => row.errors / seconds,
      ]),
    [data.spans],
  );
  if (data.spans.length === 0) return <Nothing />;
  return (
    <Chart
      label="Calls and errors a second"
      data={columns}
      series={CALLS}
      format={rate}
      syncKey="query"
      fromUnixMs={span.sinceUnixMs}
      toUnixMs={span.untilUnixMs}
    />
  );
}
