// A new silence: what fits, for how long, why. Prefilled from the alert that one does not want to hear of.
import { useEffect, useState } from "react";
import { type Alert, api, useAction, useProject, useSession } from "@/api";
import { full } from "@/format";
import { Button, Dialog, Segments, TextArea, TextField, useNow } from "@/ui";
import styles from "./Alerts.module.css";
import { MatcherFields } from "./MatcherFields";
import { type Matcher, problemOf, readMatchers, rowsOf } from "./matchers";
import { fits, matchersOf } from "./pattern";
import { ALERTS, SILENCES } from "./types";
import { readSpan } from "./units";

const SPANS = [
  { value: "1h", title: "1 h" },
  { value: "4h", title: "4 h" },
  { value: "1d", title: "1 day" },
  { value: "7d", title: "1 week" },
  { value: "", title: "Other" },
];

interface SilenceDialogProps {
  /** The alert that it begins from; null: an empty one. */
  alert: Alert | null;
  /** Those that fire, to say how many fit. */
  alerts: readonly Alert[];
  isOpen: boolean;
  onClose: () => void;
}

export function SilenceDialog({ alert, alerts, isOpen, onClose }: SilenceDialogProps) {
  const project = useProject();
  const [rows, setRows] = useState<Matcher[]>([]);
  const [span, setSpan] = useState("1h");
  const [other, setOther] = useState("2h30m");
  const [comment, setComment] = useState("");
  const [isTried, setTried] = useState(false);
  useEffect(() => {
    if (!isOpen) return;
    setRows(rowsOf(alert ? matchersOf(alert) : { project, rule: "" }));
    setComment("");
    setTried(false);
  }, [isOpen, alert, project]);

  const lastsMs = readSpan(span || other);
  const matchers = readMatchers(rows);
  const wrong = {
    matchers: problemOf(rows),
    span: lastsMs === null || lastsMs === 0 ? "A time such as 30m, 2h30m or 3d." : "",
    comment: comment.trim() === "" ? "Say why: others will wonder." : "",
  };
  const silence = useAction((ends_unix_ms: number) => post(matchers, ends_unix_ms, comment.trim()), {
    done: "Silenced. The alerts fire all the same, but channels are not told.",
    refreshes: [SILENCES, ALERTS],
    onDone: onClose,
  });
  const submit = () => {
    setTried(true);
    if (Object.values(wrong).some(Boolean) || lastsMs === null) return;
    void silence.run(Date.now() + lastsMs);
  };
  const actions = (
    <>
      <Button onClick={onClose}>Cancel</Button>
      <Button look="primary" isBusy={silence.isBusy} onClick={submit}>
        Silence
      </Button>
    </>
  );
  return (
    <Dialog title="Silence alerts" isOpen={isOpen} onClose={onClose} actions={actions}>
      <div className="stack">
        <MatcherFields rows={rows} onChange={setRows} error={isTried ? wrong.matchers : ""} />
        <Fitting count={alerts.filter((one) => fits(matchers, one)).length} of={alerts.length} />
        <Segments label="For how long" value={span} onChange={setSpan} choices={SPANS} />
        {span === "" && (
          <TextField label="For how long" value={other} onChange={setOther} error={wrong.span} />
        )}
        <Until lastsMs={lastsMs} />
        <TextArea
          label="Reason"
          value={comment}
          onChange={setComment}
          error={isTried ? wrong.comment : ""}
          maxLength={500}
          rows={2}
        />
      </div>
    </Dialog>
  );
}

const post = (matchers: Record<string, string>, ends_unix_ms: number, comment: string) =>
  api.post(SILENCES, { matchers, ends_unix_ms, comment });

function Fitting({ count, of }: { count: number; of: number }) {
  return (
    <p className={styles.fits} role="status">
      {of === 0 ? "Nothing fires now." : `Fits ${count} of the ${of} that fire now.`}
    </p>
  );
}

function Until({ lastsMs }: { lastsMs: number | null }) {
  const { session } = useSession();
  const now = useNow();
  if (!lastsMs) return null;
  return (
    <p className="muted">
      Until {full(now + lastsMs)}, in the name of {session.name}.
    </p>
  );
}
