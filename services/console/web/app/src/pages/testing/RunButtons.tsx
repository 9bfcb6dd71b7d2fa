// Starts a run: the comprehensive one is asked about first, for it loads the server.
import { useState } from "react";
import { api, useAction } from "@/api";
import { Button, Confirm } from "@/ui";
import { QUICK, REPORTS, type Report, RUN } from "./types";

/** A quick run is answered when it has ended. */
const QUICK_TIMEOUT_MS = 120_000;

interface RunButtonsProps {
  isRunning: boolean;
  onStarted: (id: string) => void;
}

export function RunButtons({ isRunning, onStarted }: RunButtonsProps) {
  const [isAsking, setAsking] = useState(false);
  const run = useAction(() => api.post<Report>(RUN, { wait: false }), {
    refreshes: [REPORTS],
    onDone: (report) => {
      setAsking(false);
      onStarted(report.id);
    },
  });
  const quick = useAction(() => api.get<Report>(QUICK, { timeoutMs: QUICK_TIMEOUT_MS }), {
    done: "The quick benchmark has ended.",
    refreshes: [REPORTS],
    onDone: (report) => onStarted(report.id),
  });
  return (
    <>
      <Button isBusy={quick.isBusy} disabled={isRunning} onClick={() => quick.run()}>
        {quick.isBusy ? "Measuring" : "Quick benchmark"}
      </Button>
      <Button
        look="primary"
        icon="testing"
        disabled={isRunning || quick.isBusy}
        title={isRunning ? "A run is under way" : undefined}
        onClick={() => setAsking(true)}
      >
        {isRunning ? "A run is under way" : "Run comprehensive"}
      </Button>
      <Confirm
        title="Run the comprehensive verification"
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        verb="Run it"
        isBusy={run.isBusy}
        onConfirm={() => run.run()}
      >
        For about a minute it puts load on the server that Weir stands in front of: choose a quiet time on one
        that people use. It works on a schema of its own, which is dropped at the end, and looks at the latest
        backup and at the borders between projects without changing either.
      </Confirm>
    </>
  );
}
