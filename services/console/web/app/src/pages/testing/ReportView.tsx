// One report: how far it is, the verdict, the ways compared, the seconds of the run, what makes it reproducible.
import { useState } from "react";
import { api, useAction, useApi, useSession } from "@/api";
import { dayClock, duration } from "@/format";
import { Button, Code, Loaded, Panel, Progress, State } from "@/ui";
import { Compliance } from "./Compliance";
import { isRunning } from "./figures";
import { Modes } from "./Modes";
import { RunSeconds } from "./RunSeconds";
import { Steps } from "./Steps";
import { saveJson, savePage } from "./savePage";
import styles from "./Testing.module.css";
import { REPORTS, type Report, type Setup } from "./types";
import { VerdictBadge } from "./VerdictBadge";

export function ReportView({ id }: { id: string }) {
  const [isLive, setLive] = useState(true);
  const state = useApi<Report>(`${REPORTS}/${encodeURIComponent(id)}`, {
    every: isLive ? 1 : 60,
    on: isLive ? ["job"] : [],
  });
  const running = state.data === undefined || isRunning(state.data);
  if (running !== isLive) setLive(running);
  return (
    <Loaded state={state} what="The report" height={480}>
      {(report) => (
        <div className="stack">
          <Head report={report} />
          {report.checks.length > 0 && <Compliance checks={report.checks} />}
          {report.modes.length > 0 && <Modes modes={report.modes} />}
          {report.modes.length > 0 && <RunSeconds modes={report.modes} />}
          <SetupPanel setup={report.setup} />
        </div>
      )}
    </Loaded>
  );
}

function Head({ report }: { report: Report }) {
  const running = isRunning(report);
  const lasted = (report.ended_unix_ms || Date.now()) - report.started_unix_ms;
  return (
    <Panel
      title={`${report.kind === "quick" ? "Quick benchmark" : "Comprehensive run"} of ${dayClock(report.started_unix_ms)}`}
      note={running ? `by ${report.requested_by}` : `by ${report.requested_by}, took ${duration(lasted)}`}
      actions={
        <>
          {report.state === "succeeded" ? (
            <VerdictBadge verdict={report.verdict} />
          ) : (
            <State state={report.state} />
          )}
          {running ? <Stop report={report} /> : <Save report={report} />}
        </>
      }
    >
      <div className="stack">
        {running && <Progress progress={report.progress} label="The run" />}
        {report.error && <p className={styles.error}>{report.error}</p>}
        <Steps steps={report.steps} />
      </div>
    </Panel>
  );
}

/** A run that is stopped cleans up after itself. */
function Stop({ report }: { report: Report }) {
  const { mayChange } = useSession();
  const stop = useAction(() => api.delete(`${REPORTS}/${report.id}`), {
    done: "The run is being stopped, and its schema dropped.",
    refreshes: [REPORTS],
  });
  if (!mayChange) return null;
  return (
    <Button small isBusy={stop.isBusy} onClick={() => stop.run()}>
      Stop
    </Button>
  );
}

function Save({ report }: { report: Report }) {
  const page = useAction(() => savePage(report));
  const json = useAction(() => saveJson(report));
  return (
    <>
      <Button small isBusy={page.isBusy} onClick={() => page.run()}>
        Save as a page
      </Button>
      <Button small look="quiet" isBusy={json.isBusy} onClick={() => json.run()}>
        JSON
      </Button>
    </>
  );
}

function SetupPanel({ setup }: { setup: Setup }) {
  const facts: [string, string][] = [
    ["Weir", setup.weir_version],
    ["PostgreSQL", setup.server_version],
    ["Server", `${setup.upstream}, database ${setup.database}`],
    ["Machine", `${setup.cores} cores`],
    ["Rows", setup.rows.toLocaleString("en-GB")],
    ["Clients", `${setup.clients}, each way for ${setup.seconds} s`],
    ["Seed", String(setup.seed)],
  ];
  return (
    <Panel title="What was run">
      <div className="stack">
        <dl className={styles.facts}>
          {facts.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        {setup.statements.map((statement) => (
          <div key={statement.name} className="stack">
            <p className="muted">
              {Math.round(statement.share * 100)} of 100 calls: {statement.name}
            </p>
            <Code code={statement.sql} language="sql" label={statement.name} />
          </div>
        ))}
      </div>
    </Panel>
  );
}
