// The last hour: latency as depths of water, and what flowed.
import { useMemo } from "react";
import { duration, rate } from "@/format";
import { Chart, Empty, Panel, type Series } from "@/ui";
import { columnsOf } from "./history";
import type { Hour } from "./useHour";

const LATENCY: Series[] = [
  { label: "p99", color: "series-3" },
  { label: "p95", color: "series-2", kind: "area" },
  { label: "p50", color: "series-1", kind: "area" },
];
const FLOW: Series[] = [
  { label: "queries", color: "series-2", kind: "area" },
  { label: "errors", color: "series-4" },
];

const HOUR_MS = 3_600_000;

export function Charts({ hour }: { hour: Hour }) {
  const latency = useMemo(() => columnsOf(hour.points, ["p99_ms", "p95_ms", "p50_ms"]), [hour.points]);
  const flow = useMemo(
    () => columnsOf(hour.points, ["queries_per_second", "errors_per_second"]),
    [hour.points],
  );
  const isEmpty = hour.points.length < 2;
  const none = (
    <Empty title="No figures yet">
      As soon as a client connects to port 6432 and asks something, this draws itself.
    </Empty>
  );
  return (
    <div className="grid" style={{ "--column": "420px" }}>
      <Panel title="Latency" note="last hour">
        {isEmpty ? (
          none
        ) : (
          <Chart
            label="Latency of the last hour"
            data={latency}
            series={LATENCY}
            format={duration}
            syncKey="hour"
            spanMs={HOUR_MS}
          />
        )}
      </Panel>
      <Panel title="Throughput" note="last hour">
        {isEmpty ? (
          none
        ) : (
          <Chart
            label="Throughput of the last hour"
            data={flow}
            series={FLOW}
            format={rate}
            syncKey="hour"
            spanMs={HOUR_MS}
          />
        )}
      </Panel>
    </div>
  );
}
