// What was changed on advice, what that brought, and the way back.
import { useState } from "react";
import { api, pathWith, useAction, useProject, useSession } from "@/api";
import { usePages } from "@/api/usePages";
import { Allowed, Badge, Button, Confirm, Empty, More, Panel, Time, type Tone } from "@/ui";
import styles from "./Advice.module.css";
import { BeforeAfter } from "./AdviceCard";
import { Brought } from "./Brought";
import {
  ADVICE,
  CHANGE_TIMEOUT_MS,
  CHANGES,
  type Change,
  type ChangeState,
  type ChangesResponse,
} from "./types";
import { isUnderWay, kindWords, mayRevert, placeOf, stateWords, valueWords } from "./words";

const TONES: Partial<Record<ChangeState, Tone>> = {
  applied: "good",
  pending_restart: "warn",
  applying: "info",
  reverting: "info",
  failed: "bad",
};

export function Changes() {
  const { mayChange } = useSession();
  const project = useProject();
  const [reverting, setReverting] = useState<Change | null>(null);
  const [isHasty, setHasty] = useState(false);
  const pages = usePages<ChangesResponse, Change>(pathWith(CHANGES, { project, limit: 50 }), {
    rowsOf: (answer) => answer.changes,
    keyOf: (change) => change.id,
    every: isHasty ? 1 : 10,
  });
  const hasty = pages.state.data?.some(isUnderWay) ?? false;
  if (hasty !== isHasty) setHasty(hasty);
  return (
    <Panel flush>
      <Allowed state={pages.state} what="Changes" height={320}>
        {(changes) =>
          changes.length === 0 ? (
            <Empty title="Nothing was changed yet" icon="advice">
              What is applied stands here, with what was there before, and can be taken back.
            </Empty>
          ) : (
            <>
              <ul className={styles.changes} aria-label="Changes">
                {changes.map((change) => (
                  <ChangeItem key={change.id} change={change} onRevert={mayChange ? setReverting : null} />
                ))}
              </ul>
              <More pages={pages} shown={changes.length} />
            </>
          )
        }
      </Allowed>
      <Revert change={reverting} onClose={() => setReverting(null)} />
    </Panel>
  );
}

interface ChangeItemProps {
  change: Change;
  onRevert: ((change: Change) => void) | null;
}

function ChangeItem({ change, onRevert }: ChangeItemProps) {
  const [isOpen, setOpen] = useState(false);
  return (
    <li className={styles.item}>
      <div className="row">
        <Badge tone={TONES[change.state] ?? "plain"} dot>
          {stateWords(change)}
        </Badge>
        <b>{kindWords(change.kind)}</b>
        <span className={styles.place}>{placeOf(change)}</span>
        <span className={styles.when}>
          <Time at={change.begun_unix_ms} /> by {change.by || "operator"}
        </span>
      </div>
      <BeforeAfter
        advice={{
          setting: change.setting,
          current: change.was_in_force || change.old_value,
          proposed: change.new_value,
        }}
      />
      {change.note && <p className={styles.reason}>{change.note}</p>}
      {isOpen && (
        <>
          <p className={styles.reason}>{change.reason}</p>
          <Brought change={change} />
        </>
      )}
      <div className={styles.actions}>
        <Button small look="quiet" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? "Less" : "What it brought"}
        </Button>
        {onRevert && mayRevert(change) && (
          <Button small onClick={() => onRevert(change)}>
            Take back
          </Button>
        )}
      </div>
    </li>
  );
}

function Revert({ change, onClose }: { change: Change | null; onClose: () => void }) {
  const project = useProject();
  const revert = useAction(
    (one: Change) =>
      api.post(
        pathWith(`${ADVICE}/${encodeURIComponent(one.id)}/revert`, { project }),
        {},
        { timeoutMs: CHANGE_TIMEOUT_MS },
      ),
    { done: "What was before is put back.", refreshes: [ADVICE], onDone: onClose },
  );
  return (
    <Confirm
      title="Take this change back"
      isOpen={change !== null}
      onClose={onClose}
      verb="Take it back"
      isBusy={revert.isBusy}
      onConfirm={() => change && revert.run(change)}
    >
      {change && (
        <div className="stack">
          <BeforeAfter
            advice={{ setting: change.setting, current: change.new_value, proposed: change.old_value }}
          />
          <p>
            {change.old_value === null
              ? "What was written is removed again, and what counted before counts again: "
              : "The old value is written again: "}
            <code>{valueWords(change.was_in_force)}</code>. It is refused if somebody has changed the value
            since.
          </p>
        </div>
      )}
    </Confirm>
  );
}
