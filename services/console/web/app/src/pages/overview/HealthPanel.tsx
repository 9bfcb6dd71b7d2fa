// Health: every part with its state, its latency and what is the matter with it.
import type { Health, HealthPart } from "@/api";
import { clock, dayClock, duration, words } from "@/format";
import { Panel, State, Time } from "@/ui";
import styles from "./Overview.module.css";

const GROUPS = [
  { kind: "aspect", title: "Database" },
  { kind: "service", title: "Services" },
  { kind: "dependency", title: "Dependencies" },
] as const;

export function HealthPanel({ health }: { health: Health }) {
  return (
    <Panel
      title="Health"
      note={
        <>
          since <Time at={health.since_unix_ms} />
        </>
      }
      actions={<State state={health.state} />}
    >
      <div className={styles.health}>
        {GROUPS.map(({ kind, title }) => (
          <div key={kind} className={styles.group}>
            <h3 className={styles.groupTitle}>{title}</h3>
            <ul className={styles.parts}>
              {health.parts
                .filter((part) => part.kind === kind)
                .map((part) => (
                  <Part key={part.name} part={part} />
                ))}
            </ul>
          </div>
        ))}
      </div>
    </Panel>
  );
}

function Part({ part }: { part: HealthPart }) {
  const since = part.since_unix_ms === 0 ? "" : ` since ${sinceOf(part.since_unix_ms)}`;
  return (
    <li className={styles.part} data-state={part.state} title={`${words(part.state)}${since}`}>
      <span className={styles.partDot} aria-hidden="true" />
      <span>
        {part.name}
        <span className="sr-only">: {words(part.state)}</span>
        {part.note && <span className={styles.partNote}>{part.note}</span>}
      </span>
      <span className={styles.partLatency}>{part.latency_ms === null ? "" : duration(part.latency_ms)}</span>
    </li>
  );
}

const sinceOf = (unixMs: number): string =>
  Date.now() - unixMs < 43_200_000 ? clock(unixMs) : dayClock(unixMs);
