// The ways to reach the database, side by side: latency, throughput, and everything else in a table.
import { count, duration, rate, ratio } from "@/format";
import { type Column, Panel, Table } from "@/ui";
import { Bars } from "./Bars";
import { gainOf } from "./figures";
import type { Mode } from "./types";

const PERCENTILES = [
  { key: "p50_ms", label: "p50", color: "series-1" },
  { key: "p95_ms", label: "p95", color: "series-2" },
  { key: "p99_ms", label: "p99", color: "series-3" },
] as const;

export function Modes({ modes }: { modes: readonly Mode[] }) {
  return (
    <>
      <div className="grid">
        <Panel title="Latency" note="shorter is better">
          <Bars
            label="Latency of each way"
            groups={modes.map((mode) => ({
              title: mode.title,
              values: PERCENTILES.map(({ key, label, color }) => ({ label, color, value: mode[key] })),
            }))}
            format={duration}
          />
        </Panel>
        <Panel title="Throughput" note="longer is better">
          <Bars
            label="Throughput of each way"
            groups={modes.map((mode) => ({
              title: mode.title,
              note: gainOf(mode, modes),
              values: [{ label: "calls", color: "series-2", value: mode.queries_per_second }],
            }))}
            format={rate}
          />
        </Panel>
        <Panel title="Connection overhead" note="part of all waiting">
          <Bars
            label="Connection overhead of each way"
            groups={modes.map((mode) => ({
              title: mode.title,
              note:
                mode.connect_p95_ms === null
                  ? ""
                  : `95 of 100 connects within ${duration(mode.connect_p95_ms)}`,
              values: [{ label: "of the time", color: "series-6", value: mode.connect_share }],
            }))}
            format={ratio}
            most={1}
          />
        </Panel>
      </div>
      <Panel title="All figures" flush>
        <Table
          label="Every figure of each way"
          columns={COLUMNS}
          rows={modes}
          rowKey={(mode) => mode.mode}
          sortName="modes"
        />
      </Panel>
    </>
  );
}

const COLUMNS: Column<Mode>[] = [
  { key: "title", title: "Way", cell: (mode) => mode.title },
  {
    key: "p50_ms",
    title: "p50",
    numeric: true,
    cell: (mode) => duration(mode.p50_ms),
    sort: (m) => m.p50_ms,
  },
  {
    key: "p95_ms",
    title: "p95",
    numeric: true,
    cell: (mode) => duration(mode.p95_ms),
    sort: (m) => m.p95_ms,
  },
  {
    key: "p99_ms",
    title: "p99",
    numeric: true,
    cell: (mode) => duration(mode.p99_ms),
    sort: (m) => m.p99_ms,
  },
  {
    key: "max_ms",
    title: "Longest",
    numeric: true,
    cell: (mode) => duration(mode.max_ms),
    sort: (m) => m.max_ms,
  },
  { key: "qps", title: "Calls", numeric: true, cell: (mode) => rate(mode.queries_per_second) },
  {
    key: "success_ratio",
    title: "Succeeded",
    numeric: true,
    help: "Of all calls",
    cell: (mode) => ratio(mode.success_ratio),
  },
  { key: "connect_p50_ms", title: "Connect", numeric: true, cell: (mode) => duration(mode.connect_p50_ms) },
  {
    key: "opened",
    title: "Opened",
    numeric: true,
    help: "Connections",
    cell: (m) => count(m.connections_opened),
  },
  {
    key: "pool_efficiency",
    title: "Reused",
    numeric: true,
    help: "Calls answered by a connection that was open already",
    cell: (mode) => ratio(mode.pool_efficiency),
  },
  { key: "hit_ratio", title: "Cache hits", numeric: true, cell: (mode) => ratio(mode.hit_ratio) },
];
