// Ordering maintenance: which operation, on which table, in a window or not; what it would do can be seen first.
import { useEffect, useState } from "react";
import { api, pathWith, useAction, useProject } from "@/api";
import { plural } from "@/format";
import { Button, CheckField, Dialog, SelectField, TextField } from "@/ui";
import type { Work } from "../parts";
import { Due } from "./Due";
import type { PlanResponse } from "./types";

export interface RunOrder {
  operation: string;
  table: string;
}

const OPERATIONS = [
  { value: "auto", title: "Auto: whatever is due" },
  { value: "vacuum", title: "Vacuum: remove dead rows" },
  { value: "analyze", title: "Analyze: renew statistics" },
  { value: "reindex", title: "Reindex: build bloated indexes anew" },
  { value: "reorganize", title: "Reorganize: write bloated tables anew" },
  { value: "freeze", title: "Freeze: keep wraparound away" },
  { value: "verify", title: "Verify: check indexes" },
  { value: "sweep", title: "Sweep: clear up after what was cut off" },
];

interface RunDialogProps {
  /** null: closed. */
  initial: RunOrder | null;
  isWindowOpen: boolean;
  onClose: () => void;
}

export function RunDialog({ initial, isWindowOpen, onClose }: RunDialogProps) {
  const project = useProject();
  const [order, setOrder] = useState<RunOrder>({ operation: "auto", table: "" });
  const [isForced, setForced] = useState(false);
  const [plan, setPlan] = useState<PlanResponse | null>(null);
  useEffect(() => {
    if (initial) setOrder(initial);
    setForced(false);
    setPlan(null);
  }, [initial]);
  const set = (changes: Partial<RunOrder>) => {
    setOrder({ ...order, ...changes });
    setPlan(null);
  };
  const body = { operation: order.operation, ...(order.table.trim() ? { table: order.table.trim() } : {}) };
  const path = pathWith("/database/maintenance/run", { project });
  const look = useAction(() => api.post<PlanResponse>(path, { ...body, dry_run: true }), { onDone: setPlan });
  const run = useAction(() => api.post<Work>(path, { ...body, force_window: isForced }), {
    done: "Asked for; it begins as soon as the worker is free.",
    refreshes: ["/database/maintenance", "/database/jobs"],
    onDone: onClose,
  });
  const problem = run.problem ?? look.problem;
  return (
    <Dialog
      title="Do maintenance"
      isOpen={initial !== null}
      onClose={onClose}
      wide={plan !== null}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button isBusy={look.isBusy} onClick={() => look.run()}>
            Only show what it would do
          </Button>
          <Button look="primary" isBusy={run.isBusy} onClick={() => run.run()}>
            Do it
          </Button>
        </>
      }
    >
      <div className="stack">
        <SelectField
          label="Operation"
          value={order.operation}
          onChange={(operation) => set({ operation })}
          choices={OPERATIONS}
        />
        <TextField
          label="Table"
          value={order.table}
          onChange={(table) => set({ table })}
          placeholder="all of them"
          help="As schema.name, with * for any characters. For a table that is named no threshold counts."
          spellCheck={false}
          autoComplete="off"
        />
        <CheckField
          label="Also outside of a window"
          checked={isForced}
          onChange={setForced}
          help={
            isWindowOpen
              ? "A window is open; with this, work does not stop at its end."
              : "No window is open now: without this, what needs one is refused."
          }
        />
        {problem && <p role="alert">{problem.message}</p>}
        {plan && <Planned plan={plan} />}
      </div>
    </Dialog>
  );
}

function Planned({ plan }: { plan: PlanResponse }) {
  const due = plan.plan.filter((one) => one.selected);
  return (
    <section aria-live="polite">
      <p>
        It would do <b>{plural(due.length, "piece of work", "pieces of work")}</b>;{" "}
        {plan.plan.length - due.length} were looked at and left.
      </p>
      {due.length > 0 && <Due due={due} />}
    </section>
  );
}
