// Jobs as they proceed: what the console lists, with the progress that events tell in between.
import { useMemo, useState } from "react";
import { type BusEvent, type Progress, type Told, useLive } from "@/api";

/** A job, whoever does it. */
export type Work = Told<"console.Job">;

interface JobProgressed {
  job_id: string;
  progress: Progress | null;
}

/** Events after which a list of jobs is another. */
export const TURNS = ["job.requested", "job.started", "job.succeeded", "job.failed"] as const;

export const isUnderWay = (job: Pick<Work, "state">): boolean =>
  job.state === "running" || job.state === "requested";

/** These jobs with what was told of them since. */
export function useProgress(jobs: readonly Work[]): Work[] {
  const [told, setTold] = useState<ReadonlyMap<string, Progress>>(new Map());
  useLive(["job.progress"], ({ data }) => {
    const { job_id, progress } = (data as BusEvent<JobProgressed>).data;
    if (progress) setTold((before) => new Map(before).set(job_id, progress));
  });
  return useMemo(() => jobs.map((job) => withProgress(job, told.get(job.id))), [jobs, told]);
}

function withProgress(job: Work, progress: Progress | undefined): Work {
  if (!progress || !isUnderWay(job) || progress.done < (job.progress?.done ?? 0)) return job;
  return {
    ...job,
    state: "running",
    progress: { bytes_per_second: null, remaining_ms: null, ...progress },
  };
}

/** The table of an order, where it names one. */
export function tableOf(job: Pick<Work, "parameters">): string {
  const { table, index } = (job.parameters ?? {}) as { table?: unknown; index?: unknown };
  const named = [table, index].filter((name): name is string => typeof name === "string" && name !== "");
  return named.join(", ");
}
