// Maintenance: what is due and why, what runs and what users notice of it, when it may run, and the proof of what was done.
import { useState } from "react";
import { useApi } from "@/api";
import { Button, PageHead, Tabs } from "@/ui";
import { TURNS, useWhyNot } from "../parts";
import { History } from "./History";
import { Now } from "./Now";
import { RunDialog, type RunOrder } from "./RunDialog";
import type { StatusResponse } from "./types";
import { Windows } from "./Windows";
import { Wraparound } from "./Wraparound";

export default function MaintenancePage() {
  const [order, setOrder] = useState<RunOrder | null>(null);
  const whyNot = useWhyNot();
  const status = useApi<StatusResponse>("/database/maintenance/status", {
    scoped: true,
    every: 5,
    on: TURNS,
  });
  const run = (operation: string, table: string) => setOrder({ operation, table });
  return (
    <>
      <PageHead
        title="Maintenance"
        lead="Tables are kept in shape inside their windows, and never at the users' expense."
        actions={
          <Button
            look="primary"
            disabled={whyNot !== undefined}
            title={whyNot}
            onClick={() => setOrder({ operation: "auto", table: "" })}
          >
            Do maintenance…
          </Button>
        }
      />
      <Tabs
        label="Parts of maintenance"
        tabs={[
          { id: "now", title: "Now", content: () => <Now status={status} onRun={run} /> },
          { id: "windows", title: "Windows", content: () => <Windows /> },
          { id: "history", title: "History", content: () => <History /> },
          { id: "wraparound", title: "Wraparound", content: () => <Wraparound /> },
        ]}
      />
      <RunDialog
        initial={order}
        isWindowOpen={status.data?.windows?.is_open ?? false}
        onClose={() => setOrder(null)}
      />
    </>
  );
}
