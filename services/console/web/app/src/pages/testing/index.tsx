// Testing: the built-in verification and benchmark, run from here, and its reports.
import { pathWith, usePages, useSession } from "@/api";
import { useQueryState } from "@/router";
import { Allowed, Empty, Forbidden, More, PageHead, Panel } from "@/ui";
import { isRunning } from "./figures";
import { ReportList } from "./ReportList";
import { ReportView } from "./ReportView";
import { RunButtons } from "./RunButtons";
import styles from "./Testing.module.css";
import { REPORTS, type ReportSummary, type ReportsResponse } from "./types";

const LEAD =
  "A reproducible run on a schema of its own: connecting for each request, direct, pooled, pooled with the cache. What it finds is measured against what Weir promises.";

export default function TestingPage() {
  const { isOperator } = useSession();
  if (!isOperator)
    return (
      <>
        <PageHead title="Testing" lead={LEAD} />
        <Panel>
          <Forbidden what="Verification and benchmark" />
        </Panel>
      </>
    );
  return <Testing />;
}

function Testing() {
  const { mayChange } = useSession();
  const [chosen, choose] = useQueryState("report");
  const pages = usePages<ReportsResponse, ReportSummary>(pathWith(REPORTS, { limit: 50 }), {
    rowsOf: (answer) => answer.reports,
    keyOf: (report) => report.id,
    every: 5,
    on: ["job"],
  });
  const reports = pages.state.data ?? [];
  const shown = chosen || reports[0]?.id || "";
  const running = reports.find(isRunning);
  return (
    <>
      <PageHead
        title="Testing"
        lead={LEAD}
        actions={mayChange && <RunButtons isRunning={running !== undefined} onStarted={choose} />}
      />
      <Allowed state={pages.state} what="Reports" height={480}>
        {() =>
          shown === "" ? (
            <Panel>
              <Empty title="Nothing was measured yet" icon="testing">
                {mayChange
                  ? "A comprehensive run takes about a minute. It works on a schema of its own and leaves nothing behind."
                  : "An operator can run it from here, or with weir bench."}
              </Empty>
            </Panel>
          ) : (
            <div className={styles.page}>
              <ReportView key={shown} id={shown} />
              <ReportList
                reports={reports}
                shown={shown}
                choose={choose}
                end={<More pages={pages} shown={reports.length} />}
              />
            </div>
          )
        }
      </Allowed>
    </>
  );
}
