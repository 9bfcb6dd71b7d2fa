// Changes the bounds of a rule and how long it has to hold.
import { useEffect, useState } from "react";
import { useAction } from "@/api";
import { Button, Dialog, TextField } from "@/ui";
import styles from "./Alerts.module.css";
import { putRule } from "./putRule";
import { BOUNDS, type Draft, draftOf, problemsOf, ruleOf } from "./ruleDraft";
import { type AlertRule, RULES } from "./types";
import { fieldUnitOf } from "./units";

const TITLES: Record<(typeof BOUNDS)[number], string> = {
  info: "Info from",
  info_clear: "Info until",
  warning: "Warning from",
  warning_clear: "Warning until",
  critical: "Critical from",
  critical_clear: "Critical until",
};

export function RuleDialog({ rule, onClose }: { rule: AlertRule | null; onClose: () => void }) {
  const [draft, setDraft] = useState<Draft | null>(null);
  useEffect(() => setDraft(rule && draftOf(rule)), [rule]);
  const save = useAction(putRule, {
    done: "The rule has changed. What fires is judged anew with the next figures.",
    refreshes: [RULES],
    onDone: onClose,
  });
  const problems = draft && rule ? problemsOf(draft, rule) : {};
  const isWrong = Object.keys(problems).length > 0;
  const actions = (
    <>
      <Button onClick={onClose}>Cancel</Button>
      <Button
        look="primary"
        isBusy={save.isBusy}
        disabled={isWrong}
        onClick={() => rule && draft && save.run(ruleOf(draft, rule))}
      >
        Save
      </Button>
    </>
  );
  return (
    <Dialog title={`Change ${rule?.name}`} isOpen={rule !== null} onClose={onClose} actions={actions}>
      {rule && draft && (
        <div className="stack">
          <p className="muted">
            {rule.metric}: bad {rule.direction === "below" ? "downwards" : "upwards"} from a bound
            {fieldUnitOf(rule.metric) && `, in ${fieldUnitOf(rule.metric)}`}. It goes on up to “until”, so
            that it does not come and go. Empty: none.
          </p>
          <Fields draft={draft} problems={problems} onChange={(part) => setDraft({ ...draft, ...part })} />
        </div>
      )}
    </Dialog>
  );
}

interface FieldsProps {
  draft: Draft;
  problems: Partial<Record<keyof Draft, string>>;
  onChange: (part: Partial<Draft>) => void;
}

function Fields({ draft, problems, onChange }: FieldsProps) {
  return (
    <>
      <div className={styles.boundFields}>
        {BOUNDS.map((key) => (
          <TextField
            key={key}
            label={TITLES[key]}
            inputMode="decimal"
            value={draft[key]}
            error={problems[key]}
            onChange={(value) => onChange({ [key]: value })}
          />
        ))}
      </div>
      <div className={styles.boundFields}>
        <TextField
          label="Has to hold for"
          help="Such as 90s, 5m, 1h30m. 0: fires at once."
          value={draft.hold}
          error={problems.hold}
          onChange={(hold) => onChange({ hold })}
        />
        <TextField
          label="Goes on afterwards for"
          value={draft.keep}
          error={problems.keep}
          onChange={(keep) => onChange({ keep })}
        />
      </div>
    </>
  );
}
