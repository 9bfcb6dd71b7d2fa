// How the cache does now: hits, what they save, memory, how late invalidations are; and why PostgreSQL answered the rest.
import { useMemo } from "react";
import { useFigures } from "@/api";
import { bytes, bytesFigure, count, durationFigure, rateFigure, ratio, ratioFigure, words } from "@/format";
import { Chart, Empty, Panel, type Series, Stat, Stats } from "@/ui";
import { columnsOf } from "../overview/history";
import { useTrail } from "../parts";
import styles from "./Cache.module.css";
import { hitRatioOf, type Share, sharesOf } from "./policy";
import type { CacheStatistics, Follower } from "./types";
import { useRates } from "./useRates";

const SERIES: Series[] = [{ label: "Hit ratio", color: "series-2", kind: "area" }];

export function Now({ total, followers }: { total: CacheStatistics; followers: Follower[] | undefined }) {
  const figures = useFigures();
  const trail = useTrail();
  const rates = useRates(total);
  const ratios = useMemo(() => columnsOf(trail, ["cache_hit_ratio"]), [trail]);
  const now = figures?.cache_hit_ratio ?? null;
  const ever = hitRatioOf(total);
  return (
    <div className="stack">
      <Stats>
        <Stat label="Hit ratio" figure={ratioFigure(now ?? ever)} note={`${ratio(ever)} since the start`} />
        <Stat
          label="Look-ups"
          figure={rateFigure(rates?.lookups)}
          note={`${count(total.lookups_total)} since the start`}
        />
        <Stat
          label="Saved"
          figure={savedFigure(rates?.savedMs)}
          tone={rates && rates.savedMs < 0 ? "warn" : "plain"}
          note="of PostgreSQL's work in each second"
        />
        <Stat
          label="Memory"
          figure={bytesFigure(total.bytes_memory)}
          note={`${count(total.entries_memory)} results${total.entries_shared > 0 ? `, ${bytes(total.bytes_shared)} shared` : ""}`}
        />
        <Lag followers={followers} />
      </Stats>
      <Panel title="Hit ratio" note="the last hour">
        <Chart
          label="Hit ratio"
          data={ratios}
          series={SERIES}
          format={(value) => ratio(value)}
          min={0}
          max={1}
          height={200}
        />
      </Panel>
      <div className="grid">
        <Panel title="Asked, and not found" note={`${count(sum(total.misses_total))} misses`}>
          <Reasons shares={sharesOf(total.misses_total)} none="Every look-up was a hit." label="Misses" />
        </Panel>
        <Panel title="Not even asked" note={`${count(sum(total.bypasses_total))} statements`}>
          <Reasons
            shares={sharesOf(total.bypasses_total)}
            none="The cache never stood aside."
            label="Bypasses"
          />
        </Panel>
        <Panel title="Not kept" note={`${count(sum(total.fills_refused_total))} results`}>
          <Reasons
            shares={sharesOf(total.fills_refused_total)}
            none="Every result was kept."
            label="Results not kept"
          />
        </Panel>
      </div>
    </div>
  );
}

const savedFigure = (ms: number | undefined) => {
  const figure = durationFigure(ms);
  return { ...figure, unit: figure.unit === "" ? "" : `${figure.unit}/s` };
};

function Lag({ followers }: { followers: Follower[] | undefined }) {
  if (!followers) return null;
  const lags = followers.filter((one) => one.state === "following" || one.state === "lagging");
  const worst = Math.max(...lags.map((one) => one.lag_p99_ms));
  const behind = followers.filter((one) => one.state === "lagging" || one.state === "blocked").length;
  return (
    <Stat
      label="Invalidation lag"
      figure={durationFigure(lags.length > 0 ? worst : null)}
      tone={behind > 0 ? "bad" : "plain"}
      note={
        behind > 0 ? `${behind} of ${followers.length} databases behind` : "99 of 100 commits are told within"
      }
    />
  );
}

const sum = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((total, value) => total + value, 0);

function Reasons({ shares, none, label }: { shares: Share[]; none: string; label: string }) {
  if (shares.length === 0) return <Empty title={none} icon="check" />;
  return (
    <ul className={styles.reasons} aria-label={label}>
      {shares.map(({ reason, value, part }) => (
        <li key={reason}>
          <span
            className={styles.reasonBar}
            style={{ width: `${Math.max(1, part * 100)}%` }}
            aria-hidden="true"
          />
          <span className={styles.reasonWord}>{words(reason)}</span>
          <span className={styles.reasonValue}>
            {count(value)} <span className="muted">{ratio(part)}</span>
          </span>
        </li>
      ))}
    </ul>
  );
}
