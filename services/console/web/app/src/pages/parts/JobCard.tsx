// A job under way: what it does, how far it is, since when, and the button that stops it.
import { useState } from "react";
import { api, pathWith, useAction } from "@/api";
import { words } from "@/format";
import { Button, Confirm, Progress, State, Time } from "@/ui";
import { useWhyNot } from "./access";
import styles from "./JobCard.module.css";
import { tableOf, type Work } from "./jobs";

interface JobCardProps {
  job: Work;
  unit?: "bytes" | "count";
  /** What may become of it when it is stopped. */
  ifStopped: string;
}

export function JobCard({ job, unit, ifStopped }: JobCardProps) {
  const [isAsking, setAsking] = useState(false);
  const whyNot = useWhyNot();
  const stop = useAction(
    () => api.post(pathWith(`/database/jobs/${job.id}/cancel`, { project: job.project })),
    {
      done: "It stops as soon as it can.",
      refreshes: ["/database/jobs", "/database/maintenance", "/database/backup"],
      onDone: () => setAsking(false),
    },
  );
  return (
    <article className={styles.card} aria-label={`Job ${words(job.operation)}`}>
      <header className={styles.head}>
        <b className={styles.name}>{words(job.operation)}</b>
        {tableOf(job) && <code>{tableOf(job)}</code>}
        <State state={job.state} />
        <span className={styles.since}>
          {job.started_unix_ms > 0 ? (
            <>
              began <Time at={job.started_unix_ms} />
            </>
          ) : (
            <>
              asked for <Time at={job.requested_unix_ms} />
            </>
          )}
          {job.requested_by ? ` · by ${job.requested_by}` : ""}
          {job.attempt > 1 ? ` · attempt ${job.attempt}` : ""}
        </span>
        <Button
          small
          look="quiet"
          disabled={whyNot !== undefined}
          title={whyNot}
          onClick={() => setAsking(true)}
        >
          Stop
        </Button>
      </header>
      <Progress progress={job.progress} label={words(job.operation)} unit={unit} />
      <Confirm
        title={`Stop ${words(job.operation)}?`}
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        onConfirm={() => stop.run()}
        verb="Stop the job"
        isBusy={stop.isBusy}
      >
        {ifStopped}
      </Confirm>
    </article>
  );
}
