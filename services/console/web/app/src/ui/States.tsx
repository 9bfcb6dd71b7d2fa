// What a place shows when it has no data to show: it is coming, there is none, it could not be had, it is old.
import type { ReactNode } from "react";
import type { Problem } from "@/api/problem";
import type { ApiState } from "@/api/useApi";
import { clock } from "@/format";
import { Button } from "./Button";
import { Icon, type IconName } from "./Icon";
import styles from "./States.module.css";

/** Grey lines in the place of what comes, so that nothing moves when it is there. */
export function Skeleton({
  height = 16,
  width = "100%",
}: {
  height?: number | string;
  width?: number | string;
}) {
  return <span className={styles.skeleton} style={{ height, width }} aria-hidden="true" />;
}

export function Loading({ label = "Loading", height = 160 }: { label?: string; height?: number }) {
  const lines = Math.max(1, Math.floor(height / 40));
  return (
    <div className={styles.loading} style={{ minHeight: height }} role="status" aria-label={label}>
      {Array.from({ length: lines }, (_, index) => `${92 - ((index * 37) % 40)}%`).map((width, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike
        <Skeleton key={index} width={width} />
      ))}
    </div>
  );
}

export function PageSkeleton() {
  return (
    <div className={styles.page} role="status" aria-label="Loading the page">
      <Skeleton height={32} width={240} />
      <Skeleton height={96} />
      <Skeleton height={280} />
    </div>
  );
}

interface EmptyProps {
  title: string;
  /** What to do about it, or why it is fine. */
  children?: ReactNode;
  icon?: IconName;
  action?: ReactNode;
}

export function Empty({ title, children, icon = "overview", action }: EmptyProps) {
  return (
    <div className={styles.empty}>
      <span className={styles.sign}>
        <Icon name={icon} size={24} />
      </span>
      <p className={styles.title}>{title}</p>
      {children && <div className={styles.text}>{children}</div>}
      {action}
    </div>
  );
}

export function Failed({ problem, retry, what }: { problem: Problem; retry?: () => void; what?: string }) {
  return (
    <div className={styles.empty} role="alert">
      <span className={styles.sign} data-tone="bad">
        <Icon name="warning" size={24} />
      </span>
      <p className={styles.title}>{what ? `${what} could not be read` : problem.title}</p>
      <div className={styles.text}>
        {problem.message}
        {problem.slug && problem.type && (
          <>
            {" "}
            <a href={problem.type}>What does {problem.slug} mean?</a>
          </>
        )}
      </div>
      {retry && (
        <Button icon="refresh" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** Above data that could not be refreshed. */
export function Stale({ state }: { state: Pick<ApiState<unknown>, "problem" | "atUnixMs" | "reload"> }) {
  if (!state.problem) return null;
  return (
    <div className={styles.stale} role="status">
      <Icon name="warning" size={16} />
      <span>
        As of {clock(state.atUnixMs)}: {state.problem.message}
      </span>
      <Button small look="quiet" onClick={state.reload}>
        Try again
      </Button>
    </div>
  );
}

interface LoadedProps<T> {
  state: ApiState<T>;
  children: (data: T) => ReactNode;
  /** Room that the data will take, so that nothing moves. */
  height?: number;
  what?: string;
}

/** The four states of an answer in one: skeleton, failure, data, old data with a note. */
export function Loaded<T>({ state, children, height, what }: LoadedProps<T>) {
  if (state.data !== undefined) {
    return (
      <>
        <Stale state={state} />
        {children(state.data)}
      </>
    );
  }
  if (state.problem) return <Failed problem={state.problem} retry={state.reload} what={what} />;
  return <Loading height={height} label={what ? `Loading: ${what}` : undefined} />;
}
