// Asks before a piece of advice is applied, and shows what became of it.
import { useEffect, useState } from "react";
import { type Advice, api, pathWith, useAction, useProject } from "@/api";
import { Button, Code, Dialog, State } from "@/ui";
import styles from "./Advice.module.css";
import { BeforeAfter } from "./AdviceCard";
import { ADVICE, CHANGE_TIMEOUT_MS, type Change } from "./types";
import { placeOf, riskOf, statementOf, stateWords, whenOf } from "./words";

export function Apply({ advice, onClose }: { advice: Advice | null; onClose: () => void }) {
  const project = useProject();
  const [done, setDone] = useState<Change | null>(null);
  const apply = useAction(
    (one: Advice) =>
      api.post<Change>(
        pathWith(`${ADVICE}/${encodeURIComponent(one.id)}/apply`, { project }),
        {},
        { timeoutMs: CHANGE_TIMEOUT_MS },
      ),
    {
      refreshes: [ADVICE],
      onDone: setDone,
    },
  );
  useEffect(() => {
    if (!advice) setDone(null);
  }, [advice]);
  const actions = done ? (
    <Button look="primary" onClick={onClose}>
      Close
    </Button>
  ) : (
    <>
      <Button onClick={onClose}>Cancel</Button>
      <Button look="primary" isBusy={apply.isBusy} onClick={() => advice && apply.run(advice)}>
        Apply it
      </Button>
    </>
  );
  return (
    <Dialog
      title={done ? "What became of it" : "Apply this advice"}
      isOpen={advice !== null}
      onClose={onClose}
      actions={actions}
    >
      {advice && (done ? <Done change={done} /> : <Ask advice={advice} />)}
    </Dialog>
  );
}

function Ask({ advice }: { advice: Advice }) {
  const sql = statementOf(advice);
  return (
    <div className="stack">
      <p>
        {advice.summary}: {placeOf(advice)}.
      </p>
      {advice.setting && <BeforeAfter advice={advice} />}
      {sql && <Code code={sql} language="sql" label="What is run" />}
      <ol className={styles.steps}>
        <li>The value of now is written down, so that it can be put back.</li>
        <li>{whenOf(advice) || "The new value is set."}</li>
        <li>{riskOf(advice)}</li>
      </ol>
    </div>
  );
}

function Done({ change }: { change: Change }) {
  return (
    <div className="stack" role="status">
      <div className="row">
        <State state={change.state === "pending_restart" ? "pending" : change.state} />
        <span>{stateWords(change)}</span>
      </div>
      {change.note && <p>{change.note}</p>}
      <p className="muted">“Changes made” tells how statements fare from now on, and takes it back.</p>
    </div>
  );
}
