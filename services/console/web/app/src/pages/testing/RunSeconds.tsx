// The run second by second: the ways one after the other, on the axis of time.
import { useMemo } from "react";
import { duration } from "@/format";
import { Chart, type Marker, Panel, type Series } from "@/ui";
import { seriesOf } from "./figures";
import type { Mode } from "./types";

const SERIES: Series[] = [
  { label: "p50", color: "series-1" },
  { label: "p95", color: "series-2" },
  { label: "p99", color: "series-3" },
];
const COLORS = ["series-4", "series-5", "series-6", "ink-3"];

export function RunSeconds({ modes }: { modes: readonly Mode[] }) {
  const data = useMemo(() => seriesOf(modes), [modes]);
  const markers: Marker[] = modes.map((mode, index) => ({
    atUnixMs: mode.started_unix_ms,
    label: mode.title,
    color: COLORS[index % COLORS.length] ?? "ink-3",
  }));
  return (
    <Panel title="Latency second by second" note="a mark where each way begins">
      <Chart
        label="Latency second by second"
        data={data}
        series={SERIES}
        format={duration}
        markers={markers}
      />
    </Panel>
  );
}
