// One alert: what is wrong, for how long, how far beyond its bound, who looks after it, where to read on.
import { useState } from "react";
import { type Alert, useSession } from "@/api";
import { duration, full } from "@/format";
import { Link } from "@/router";
import { Badge, Button, CopyButton, Icon, Severity, Time, useNow } from "@/ui";
import { Acknowledge } from "./Acknowledge";
import styles from "./Alerts.module.css";
import { fieldUnitOf, figureOf } from "./units";

interface AlertCardProps {
  alert: Alert;
  metric: string | null;
  onSilence: (alert: Alert) => void;
  /** The level of its heading. */
  heading?: "h2" | "h3";
}

export function AlertCard({ alert, metric, onSilence, heading: Heading = "h2" }: AlertCardProps) {
  const { mayChange } = useSession();
  const [isAcknowledging, setAcknowledging] = useState(false);
  const id = `alert-${alert.id}`;
  return (
    <article className={styles.card} data-severity={alert.severity} aria-labelledby={id}>
      <div className={styles.main}>
        <div className="row">
          {alert.severity !== "unspecified" && <Severity severity={alert.severity} />}
          <Flags alert={alert} />
        </div>
        <Heading id={id} className={styles.summary}>
          {alert.summary}
        </Heading>
        <Facts alert={alert} />
        {alert.acknowledged_by && <Acknowledged alert={alert} />}
      </div>
      {!isYesOrNo(alert, metric) && <Measure alert={alert} metric={metric} />}
      <div className={styles.actions}>
        <Runbook runbook={alert.runbook} />
        {mayChange && alert.state === "firing" && (
          <>
            <Button small icon="check" onClick={() => setAcknowledging(true)}>
              {alert.acknowledged_by ? "Change the note" : "Acknowledge"}
            </Button>
            <Button small icon="moon" onClick={() => onSilence(alert)}>
              Silence
            </Button>
            <Acknowledge alert={alert} isOpen={isAcknowledging} onClose={() => setAcknowledging(false)} />
          </>
        )}
      </div>
    </article>
  );
}

function Flags({ alert }: { alert: Alert }) {
  return (
    <>
      {alert.acknowledged_by && <Badge tone="good">acknowledged</Badge>}
      {alert.silenced_by && <Badge title={`Silence ${alert.silenced_by}`}>silenced</Badge>}
      {alert.inhibited_by && (
        <Badge title={`Another alert explains it: ${alert.inhibited_by}`}>explained by another</Badge>
      )}
      {alert.flapping && (
        <Badge tone="warn" title="It fires until it has been calm for half an hour">
          comes and goes
        </Badge>
      )}
      {alert.state === "pending" && <Badge dot>pending</Badge>}
    </>
  );
}

function Facts({ alert }: { alert: Alert }) {
  const now = useNow();
  const trace = alert.traces[0];
  return (
    <ul className={styles.facts} aria-label="Facts">
      <li title={`since ${full(alert.since_unix_ms)}`}>for {duration(lastedMs(alert, now))}</li>
      <li>
        <code>{alert.rule}</code>
      </li>
      {Object.entries(alert.labels).map(([name, value]) => (
        <li key={name}>
          {name} <b>{value}</b>
        </li>
      ))}
      {alert.fingerprint && (
        <li>
          <Link to={`/queries/${alert.fingerprint}`}>the statement</Link>
        </li>
      )}
      {trace && (
        <li className={styles.trace}>
          {alert.traces.length > 1 ? `${alert.traces.length} traces, latest` : "trace"}{" "}
          <code title={alert.traces.join("\n")}>{trace.slice(0, 8)}…</code>
          <CopyButton text={trace} label="Copy the trace id" />
        </li>
      )}
    </ul>
  );
}

/** In whole seconds: it grows while one looks. */
const lastedMs = (alert: Alert, now: number): number =>
  Math.max(0, Math.floor((now - alert.since_unix_ms) / 1000)) * 1000;

function Acknowledged({ alert }: { alert: Alert }) {
  return (
    <p className={styles.acknowledged}>
      <Icon name="check" size={16} />
      <span>
        <b>{alert.acknowledged_by}</b> looks after it, since <Time at={alert.acknowledged_unix_ms} />
        {alert.acknowledged_note && `: ${alert.acknowledged_note}`}
      </span>
    </p>
  );
}

/** Whether the figure is no more than that it is so, such as `server.down`. */
const isYesOrNo = (alert: Alert, metric: string | null): boolean =>
  alert.value === 1 && alert.threshold <= 1 && (metric === null || fieldUnitOf(metric) === "");

/** The value on a scale with its bound, as one reads a gauge. */
function Measure({ alert, metric }: { alert: Alert; metric: string | null }) {
  const whole = Math.max(Math.abs(alert.value), Math.abs(alert.threshold)) * 1.15 || 1;
  const part = (value: number) => `${Math.min(100, (Math.abs(value) / whole) * 100)}%`;
  return (
    <div className={styles.measure}>
      <div className={styles.value}>{figureOf(metric, alert.value)}</div>
      <div className={styles.scale} aria-hidden="true">
        <span style={{ width: part(alert.value) }} />
        <i style={{ left: part(alert.threshold) }} />
      </div>
      <div className={styles.bound}>bound {figureOf(metric, alert.threshold)}</div>
    </div>
  );
}

/** A runbook that comes with Weir is a page of the console; others are elsewhere. */
export function Runbook({ runbook }: { runbook: string }) {
  if (!runbook) return null;
  const isElsewhere = /^https?:\/\//.test(runbook);
  const href = isElsewhere ? runbook : `/${runbook.replace(/^\/+/, "").replace(/\.md$/, "")}`;
  return (
    <a className={styles.runbook} href={href} target="_blank" rel="noreferrer">
      What to do <Icon name="external" size={14} />
    </a>
  );
}
