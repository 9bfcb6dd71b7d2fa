// Security in short: the last day, the firewall, what waits for a person; and who is behind it.
import type { ApiState } from "@/api";
import { count, countFigure, exact, plural } from "@/format";
import { setQuery } from "@/router";
import { Bar, Button, Empty, Loaded, Panel, Stat, Stats, Time } from "@/ui";
import { glanceWords } from "./firewall";
import styles from "./Security.module.css";
import type { SecurityOverview, ViolationsOfClient, ViolationsOfRule } from "./types";
import { doneOf } from "./violations";

const SHOWN_MAX = 5;

export function Glance({ state }: { state: ApiState<SecurityOverview> }) {
  return (
    <Loaded state={state} what="Security" height={96}>
      {(data) => {
        const { value, note, tone } = glanceWords(data.firewall);
        const queued = data.firewall?.queued ?? null;
        return (
          <Stats>
            <Stat
              label="Blocked"
              figure={countFigure(data.blocked)}
              note="in the last day"
              tone={data.blocked > 0 ? "warn" : "plain"}
            />
            <Stat
              label="Let through"
              figure={countFigure(data.reported)}
              note="told of in the last day"
              tone={data.reported > 0 ? "warn" : "plain"}
            />
            <Stat label="Firewall" figure={{ value, unit: "" }} note={note} tone={tone} />
            <Stat
              label="Waiting"
              figure={countFigure(queued)}
              note="unknown shapes for a person"
              tone={queued !== null && queued > 0 ? "info" : "plain"}
            />
          </Stats>
        );
      }}
    </Loaded>
  );
}

/** Rules and clients of the last day, the most often first. */
export function LastDay({ state }: { state: ApiState<SecurityOverview> }) {
  return (
    <div className="grid">
      <Panel title="Rules of the last day" note={state.data && noteOf(state.data.rules.length, "rule")}>
        <Loaded state={state} what="Rules" height={120}>
          {(data) => <Rules rules={data.rules} />}
        </Loaded>
      </Panel>
      <Panel
        title="Addresses of the last day"
        note={state.data && noteOf(state.data.clients.length, "address")}
      >
        <Loaded state={state} what="Addresses" height={120}>
          {(data) => <Clients clients={data.clients} />}
        </Loaded>
      </Panel>
    </div>
  );
}

const noteOf = (length: number, one: string): string | undefined =>
  length > SHOWN_MAX
    ? `${exact(SHOWN_MAX)} of ${plural(length, one, one === "address" ? "addresses" : undefined)}`
    : undefined;

function Rules({ rules }: { rules: readonly ViolationsOfRule[] }) {
  const most = rules[0]?.count ?? 1;
  if (rules.length === 0) return <Empty title="No rule was broken" icon="check" />;
  return (
    <ul className={styles.callers}>
      {rules.slice(0, SHOWN_MAX).map((one) => (
        <Line
          key={`${one.rule} ${one.action}`}
          name={one.rule}
          what={doneOf(one.action).word}
          count={one.count}
          part={one.count / most}
          lastUnixMs={one.last_unix_ms}
          show={() => setQuery({ rule: one.rule, action: one.action === "unspecified" ? null : one.action })}
        />
      ))}
    </ul>
  );
}

function Clients({ clients }: { clients: readonly ViolationsOfClient[] }) {
  const most = clients[0]?.count ?? 1;
  if (clients.length === 0) return <Empty title="Nobody broke a rule" icon="check" />;
  return (
    <ul className={styles.callers}>
      {clients.slice(0, SHOWN_MAX).map((one) => (
        <Line
          key={one.client}
          name={one.client}
          what={one.rules.join(", ")}
          count={one.count}
          part={one.count / most}
          lastUnixMs={one.last_unix_ms}
          show={() => setQuery({ client: one.client })}
        />
      ))}
    </ul>
  );
}

interface LineProps {
  name: string;
  what: string;
  count: number;
  part: number;
  lastUnixMs: number;
  show: () => void;
}

function Line({ name, what, count: times, part, lastUnixMs, show }: LineProps) {
  return (
    <li className={styles.ranked}>
      <div className={styles.callerName}>
        <b>{name}</b> <span className="muted">{what}</span>
      </div>
      <div className={styles.callerEnd}>
        <Time at={lastUnixMs} />
        <Button small look="quiet" onClick={show} aria-label={`Show violations of ${name}, ${what}`}>
          Show
        </Button>
      </div>
      <div className={styles.callerBar}>
        <Bar part={part} label={`Violations of ${name}, ${what}`} />
        <b>{count(times)}</b>
      </div>
    </li>
  );
}
