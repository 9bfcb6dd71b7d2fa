// What was refused in the last day, by whom: the few who ask for what they may not have.
import { useMemo } from "react";
import { pathWith, useApi } from "@/api";
import { count, exact, plural } from "@/format";
import { setQuery } from "@/router";
import { Bar, Button, Empty, Loaded, Panel, Time } from "@/ui";
import { gatherRefused, type Refused, reasonOf } from "./refused";
import styles from "./Security.module.css";
import { AUDIT, type AuditResponse } from "./types";

const DAY_MS = 86_400_000;
const LOOKED_AT = 1000;
const SHOWN_MAX = 5;

/** From the full hour, so that the question is the same for a while and the answer is kept. */
const sinceYesterday = () => Math.floor((Date.now() - DAY_MS) / 3_600_000) * 3_600_000;

export function RefusedSummary() {
  const since = useMemo(sinceYesterday, []);
  const state = useApi<AuditResponse>(pathWith(AUDIT, { refused: true, since, limit: LOOKED_AT }), {
    every: 10,
  });
  // The list below says why, where this is not for everybody.
  if (state.problem?.status === 403) return null;
  return (
    <Panel title="Refused in the last day" note={state.data && noteOf(state.data)}>
      <Loaded state={state} what="What was refused" height={96}>
        {(data) => <Callers refused={gatherRefused(data.entries)} />}
      </Loaded>
    </Panel>
  );
}

const noteOf = (data: AuditResponse): string =>
  data.next ? `the latest ${exact(LOOKED_AT)}` : plural(data.entries.length, "call");

function Callers({ refused }: { refused: readonly Refused[] }) {
  if (refused.length === 0) return <Empty title="Nothing was refused" icon="check" />;
  const most = refused[0]?.count ?? 1;
  const hidden = refused.length - SHOWN_MAX;
  return (
    <>
      <ul className={styles.callers}>
        {refused.slice(0, SHOWN_MAX).map((one) => (
          <Caller key={`${one.actor} ${one.remote}`} one={one} most={most} />
        ))}
      </ul>
      {hidden > 0 && <p className="muted">and {plural(hidden, "caller")} more</p>}
    </>
  );
}

function Caller({ one, most }: { one: Refused; most: number }) {
  const top = one.actions[0];
  return (
    <li className={styles.caller}>
      <div className={styles.callerName}>
        <b>{one.actor}</b> <span className="muted">from {one.remote}</span>
      </div>
      <div className={styles.callerBar}>
        <Bar part={one.count / most} label={`Refused to ${one.actor} from ${one.remote}`} />
        <b>{count(one.count)}</b>
      </div>
      <div className={styles.callerWhat}>
        {one.statuses.map(reasonOf).join(", ")}; {one.actions.length > 1 ? "mostly " : ""}
        <code>{top?.action}</code>
      </div>
      <div className={styles.callerEnd}>
        <Time at={one.lastUnixMs} />
        <Button
          small
          look="quiet"
          onClick={() => setQuery({ actor: one.actor, refused: "1" })}
          aria-label={`Show what was refused to ${one.actor}`}
        >
          Show
        </Button>
      </div>
    </li>
  );
}
