// The steps of a run, those to come too.
import { duration, words } from "@/format";
import styles from "./Testing.module.css";
import type { Step } from "./types";

const WORDS: Partial<Record<Step["state"], string>> = { requested: "to come", succeeded: "done" };

export function Steps({ steps }: { steps: readonly Step[] }) {
  return (
    <ol className={styles.steps} aria-label="Steps">
      {steps.map((step) => (
        <li
          key={step.name}
          data-state={step.state}
          aria-current={step.state === "running" ? "step" : undefined}
        >
          <span className={styles.mark} aria-hidden="true" />
          <span className={styles.stepTitle}>{step.title}</span>
          <span className={styles.stepNote}>
            {step.took_ms !== null ? duration(step.took_ms) : (WORDS[step.state] ?? words(step.state))}
            {step.note && `: ${step.note}`}
          </span>
        </li>
      ))}
    </ol>
  );
}
