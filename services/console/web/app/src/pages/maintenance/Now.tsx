// How tables stand: what is due, how much is waste, what runs, and what users notice of it.
import { useMemo, useState } from "react";
import { type ApiState, useApi } from "@/api";
import { bytesFigure, countFigure, durationFigure, plural, ratio, words } from "@/format";
import { Panel, Stat, Stats, Time, useNow } from "@/ui";
import { Guarded } from "../parts";
import { BloatPanel } from "./BloatPanel";
import { bloatOf } from "./bloat";
import { Due } from "./Due";
import { RunningPanel } from "./RunningPanel";
import type { Candidate, PlanResponse, StatusResponse } from "./types";

const REFUSED = "What maintenance finds is told to those who may see the tables.";

interface NowProps {
  status: ApiState<StatusResponse>;
  onRun: (operation: string, table: string) => void;
}

export function Now({ status, onRun }: NowProps) {
  const plan = useApi<PlanResponse>("/database/maintenance/plan", {
    scoped: true,
    every: 60,
    on: ["job.succeeded", "job.failed"],
  });
  return (
    <div className="stack">
      <Figures status={status.data} plan={plan.data?.plan} />
      <RunningPanel running={status.data?.running ?? []} />
      <Guarded state={plan} what="The plan" refused={REFUSED} height={420}>
        {(data) => <Plan plan={data.plan} onRun={onRun} />}
      </Guarded>
    </div>
  );
}

function Plan({ plan, onRun }: { plan: Candidate[]; onRun: NowProps["onRun"] }) {
  const tables = useMemo(() => bloatOf(plan), [plan]);
  const [chosen, choose] = useState<string | null>(null);
  const due = plan.filter((one) => one.selected);
  return (
    <>
      <BloatPanel tables={tables} chosen={chosen} onChoose={choose} onRun={onRun} />
      <Panel title="What is due, and why" note={plural(due.length, "piece of work", "pieces of work")} flush>
        <Due due={due} onRun={onRun} />
      </Panel>
    </>
  );
}

function Figures({ status, plan }: { status: StatusResponse | undefined; plan: Candidate[] | undefined }) {
  const tables = useMemo(() => (plan ? bloatOf(plan) : []), [plan]);
  const size = tables.reduce((sum, table) => sum + table.sizeBytes, 0);
  const waste = tables.reduce((sum, table) => sum + (table.wasteBytes ?? 0), 0);
  const due = plan?.filter((one) => one.selected).length;
  const last = status?.last[0];
  return (
    <Stats>
      <WindowStat status={status} />
      <Stat
        label="Due now"
        figure={countFigure(due)}
        note={due === 0 ? "everything is in shape" : "pieces of work"}
        tone={plan?.some((one) => one.emergency && one.selected) ? "bad" : "plain"}
      />
      <Stat
        label="Waste in tables"
        figure={bytesFigure(plan ? waste : null)}
        note={size > 0 ? `${ratio(waste / size)} of what tables take` : "nothing measured yet"}
      />
      <Wraparound status={status} />
      <Stat
        label="Last run"
        figure={{ value: last ? words(last.operation) : "–", unit: "" }}
        tone={last?.state === "failed" ? "bad" : "plain"}
        note={
          last ? (
            <>
              {words(last.state)} <Time at={last.ended_unix_ms} />
            </>
          ) : (
            "none yet"
          )
        }
      />
    </Stats>
  );
}

function WindowStat({ status }: { status: StatusResponse | undefined }) {
  const now = useNow();
  const windows = status?.windows;
  if (!windows) return <Stat label="Window" figure={{ value: "–", unit: "" }} note="not known" />;
  if (windows.is_open) {
    const until = windows.open_until_unix_ms;
    return (
      <Stat
        label="Window"
        figure={{ value: "open", unit: "" }}
        tone="good"
        note={until === 0 ? "without an end" : `closes in ${durationText(until - now)}`}
      />
    );
  }
  const next = windows.next_open_unix_ms;
  return (
    <Stat
      label="Next window"
      figure={next === 0 ? { value: "never", unit: "" } : durationFigure(Math.max(0, next - now))}
      note={next === 0 ? "no window ever opens" : "until it opens"}
    />
  );
}

const durationText = (ms: number): string => {
  const { value, unit } = durationFigure(Math.max(0, ms));
  return unit === "" ? value : `${value} ${unit}`;
};

function Wraparound({ status }: { status: StatusResponse | undefined }) {
  const known = status?.wraparound ?? [];
  const nearest = known
    .filter((one) => one.eta_seconds !== null)
    .sort((a, b) => (a.eta_seconds ?? 0) - (b.eta_seconds ?? 0))[0];
  if (!nearest) {
    return (
      <Stat
        label="Wraparound"
        figure={{ value: known.length > 0 ? "far" : "–", unit: "" }}
        note="no limit in sight"
      />
    );
  }
  return (
    <Stat
      label="Wraparound"
      figure={durationFigure((nearest.eta_seconds ?? 0) * 1000)}
      tone={nearest.cannot_advance ? "bad" : "plain"}
      note={`until ${words(nearest.limit ?? "")} in ${nearest.database}`}
    />
  );
}
