// The figures of this second, each with its last quarter of an hour.
import type { Figures, PoolSums } from "@/api";
import {
  countFigure,
  durationFigure,
  exact,
  type Figure,
  NONE,
  rate,
  rateFigure,
  ratioFigure,
} from "@/format";
import { Stat, Stats, type Tone } from "@/ui";
import { trendOf } from "./history";
import type { Hour } from "./useHour";

export function Headline({ hour }: { hour: Hour }) {
  const { figures, points } = hour;
  const trend = (key: Parameters<typeof trendOf>[1]) => trendOf(points, key);
  const latency = (ms: number | null | undefined): Figure => durationFigure(ms);
  return (
    <Stats>
      <Stat
        label="Throughput"
        figure={rateFigure(figures?.queries_per_second)}
        note={errorsNote(figures)}
        trend={trend("queries_per_second")}
        color="series-2"
      />
      <Stat
        label="p50"
        figure={latency(figures?.p50_ms)}
        note="half are faster"
        trend={trend("p50_ms")}
        color="series-1"
      />
      <Stat
        label="p95"
        figure={latency(figures?.p95_ms)}
        note="95 of 100 are"
        trend={trend("p95_ms")}
        color="series-2"
      />
      <Stat
        label="p99"
        figure={latency(figures?.p99_ms)}
        note="99 of 100 are"
        trend={trend("p99_ms")}
        color="series-3"
      />
      <PoolStat pool={figures?.pool ?? null} trend={trend("pool_active")} />
      <Stat
        label="Cache hits"
        figure={ratioFigure(figures?.cache_hit_ratio)}
        note={figures && figures.cache_hit_ratio === null ? "nothing looked up" : "of look-ups"}
        trend={trend("cache_hit_ratio")}
        color="series-2"
      />
      <AlertStat figures={figures} />
    </Stats>
  );
}

function errorsNote(figures: Figures | null) {
  const errors = figures?.errors_per_second ?? null;
  if (errors === null) return "queries";
  if (errors === 0) return "no errors";
  return <b style={{ color: "var(--bad)" }}>{rate(errors)} errors</b>;
}

function PoolStat({ pool, trend }: { pool: PoolSums | null; trend: readonly (number | null)[] }) {
  // Connections belong to the whole server.
  if (!pool) return <Stat label="Pool" figure={NONE} note="for operators" trend={trend} />;
  return (
    <Stat
      label="Pool"
      figure={{ value: exact(pool.active), unit: `of ${exact(pool.max)}` }}
      note={pool.waiting > 0 ? `${exact(pool.waiting)} waiting` : "nobody waits"}
      tone={pool.waiting > 0 ? "warn" : "plain"}
      trend={trend}
      color="series-2"
    />
  );
}

function AlertStat({ figures }: { figures: Figures | null }) {
  if (!figures?.alerts) return <Stat label="Alerts" figure={NONE} />;
  const { critical, warning, info } = figures.alerts;
  const tone: Tone = critical > 0 ? "bad" : warning > 0 ? "warn" : "good";
  const worst =
    critical > 0 ? `${exact(critical)} critical` : warning > 0 ? `${exact(warning)} warning` : "all is calm";
  return <Stat label="Alerts" figure={countFigure(critical + warning + info)} tone={tone} note={worst} />;
}
