// What a change brought: the statements of the project half an hour before it and after it.
import { useMemo } from "react";
import { pathWith, type TimelineResponse, useApi } from "@/api";
import { count, duration, durationFigure, ratio } from "@/format";
import { Chart, Empty, Loaded, Stat, Stats, type Tone } from "@/ui";
import { changeOf, effectOf } from "./effect";
import { type Change, TIMELINE } from "./types";

const AROUND_MS = 1_800_000;

export function Brought({ change }: { change: Change }) {
  const at = change.begun_unix_ms;
  const until = change.ended_unix_ms > 0 ? Math.min(change.ended_unix_ms, at + AROUND_MS) : at + AROUND_MS;
  const state = useApi<TimelineResponse>(pathWith(TIMELINE, { since: at - AROUND_MS, until }), {
    every: 10,
    scoped: true,
  });
  return (
    <Loaded state={state} what="What it brought" height={280}>
      {(data) => <Shown data={data} change={change} />}
    </Loaded>
  );
}

function Shown({ data, change }: { data: TimelineResponse; change: Change }) {
  const columns = useMemo(() => columnsOf(data), [data]);
  const { before, after } = effectOf(data.spans, change.begun_unix_ms);
  if (!before && !after)
    return <Empty title="No statement ran around it">So there is nothing to compare.</Empty>;
  return (
    <div className="stack">
      <Stats>
        <Compared label="95 of 100 calls within" before={before?.p95Ms} after={after?.p95Ms} />
        <Compared label="A call takes" before={before?.meanMs} after={after?.meanMs} />
        <Stat
          label="Calls compared"
          figure={{ value: count(after?.calls ?? 0), unit: "" }}
          note={`after, ${count(before?.calls ?? 0)} before; all statements of the project`}
        />
      </Stats>
      <Chart
        label="Latency around the change"
        data={columns}
        series={SERIES}
        format={duration}
        height={180}
        markers={[{ atUnixMs: change.begun_unix_ms, label: `Change: ${change.setting}`, color: "series-6" }]}
      />
    </div>
  );
}

const SERIES = [
  { label: "p50", color: "series-1" },
  { label: "p95", color: "series-2" },
];

const columnsOf = (data: TimelineResponse) => [
  data.spans.map((span) => span.from_unix_ms),
  data.spans.map((span) => span.statistics?.p50_ms ?? null),
  data.spans.map((span) => span.statistics?.p95_ms ?? null),
];

/** Less than this is noise. */
const NOISE = 0.05;

function Compared({ label, before, after }: { label: string; before?: number; after?: number }) {
  const change = before !== undefined && after !== undefined ? changeOf(before, after) : null;
  return (
    <Stat
      label={label}
      figure={durationFigure(after)}
      tone={toneOf(change)}
      note={`${duration(before)} before${change === null ? "" : `: ${wordsOf(change)}`}`}
    />
  );
}

function toneOf(change: number | null): Tone {
  if (change === null || Math.abs(change) < NOISE) return "plain";
  return change < 0 ? "good" : "warn";
}

function wordsOf(change: number): string {
  if (Math.abs(change) < NOISE) return "about the same";
  return `${ratio(Math.abs(change))} ${change < 0 ? "less" : "more"}`;
}
