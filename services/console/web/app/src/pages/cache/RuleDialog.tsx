// The form of one rule: for what, whether it is cached, how fresh, with which limits.
import { useEffect, useState } from "react";
import { api, pathWith, useAction, useProject } from "@/api";
import { Button, Dialog, Segments, SelectField, TextField } from "@/ui";
import styles from "./Cache.module.css";
import { bodyOf, type Draft, type DraftErrors, errorsOf, type SubjectKind } from "./policy";

const SUBJECTS = [
  { value: "fingerprint", title: "One shape" },
  { value: "relation", title: "A table" },
  { value: "whole_project", title: "The project" },
];

const MODES = [
  { value: "auto", title: "Auto: while it pays" },
  { value: "always", title: "Always, where it is correct" },
  { value: "never", title: "Never" },
  { value: "dry_run", title: "Dry run: counted, never served" },
];

const FRESHNESS = [
  { value: "unspecified", title: "As the pool says" },
  { value: "strict", title: "Strict: as if PostgreSQL had been asked" },
  { value: "session", title: "Session: one sees one's own writes" },
  { value: "bounded", title: "Bounded: no older than a given time" },
  { value: "ttl", title: "By time to live only" },
];

interface RuleDialogProps {
  /** null: closed. */
  initial: Draft | null;
  isNew: boolean;
  onClose: () => void;
}

export function RuleDialog({ initial, isNew, onClose }: RuleDialogProps) {
  const project = useProject();
  const [draft, setDraft] = useState<Draft | null>(initial);
  const [isTried, setTried] = useState(false);
  useEffect(() => {
    setDraft(initial);
    setTried(false);
  }, [initial]);
  const put = useAction(
    (body: ReturnType<typeof bodyOf>) => api.put(pathWith("/database/cache/policies", { project }), body),
    {
      done: "The rule is in force.",
      refreshes: ["/database/cache"],
      onDone: onClose,
    },
  );
  if (!draft || !initial) return null;
  const found = errorsOf(draft);
  const errors: DraftErrors = isTried ? found : {};
  const send = () => {
    setTried(true);
    if (Object.keys(found).length === 0) void put.run(bodyOf(draft));
  };
  const set = (changes: Partial<Draft>) => setDraft({ ...draft, ...changes });
  return (
    <Dialog
      title={isNew ? "Add a rule" : "Change the rule"}
      isOpen
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" isBusy={put.isBusy} onClick={send}>
            {isNew ? "Add the rule" : "Change the rule"}
          </Button>
        </>
      }
    >
      <div className="stack">
        {isNew && (
          <Segments
            label="For what"
            value={draft.subject}
            onChange={(value) => set({ subject: value as SubjectKind, name: "" })}
            choices={SUBJECTS}
          />
        )}
        <SubjectField draft={draft} set={set} error={errors.name} isNew={isNew} />
        <SelectField
          label="Cached"
          value={draft.mode}
          onChange={(mode) => set({ mode: mode as Draft["mode"] })}
          choices={MODES}
        />
        <SelectField
          label="How fresh answers must be"
          value={draft.consistency}
          onChange={(consistency) => set({ consistency: consistency as Draft["consistency"] })}
          choices={FRESHNESS}
        />
        <Limits draft={draft} set={set} errors={errors} />
        <TextField
          label="Note"
          value={draft.note}
          onChange={(note) => set({ note })}
          help="Why the rule is there, for people."
        />
      </div>
    </Dialog>
  );
}

interface PartProps {
  draft: Draft;
  set: (changes: Partial<Draft>) => void;
}

function SubjectField({ draft, set, error, isNew }: PartProps & { error?: string; isNew: boolean }) {
  if (draft.subject === "whole_project")
    return <p className="muted">It applies to every statement of the project.</p>;
  const isTable = draft.subject === "relation";
  return (
    <TextField
      label={isTable ? "Table" : "Fingerprint"}
      value={draft.name}
      onChange={(name) => set({ name })}
      error={error}
      placeholder={isTable ? "public.orders" : "16 hexadecimal digits"}
      help={isTable ? "Every statement that reads it." : undefined}
      readOnly={!isNew}
      spellCheck={false}
      autoComplete="off"
    />
  );
}

function Limits({ draft, set, errors }: PartProps & { errors: DraftErrors }) {
  const number = (field: keyof Draft, label: string, placeholder: string) => (
    <TextField
      label={label}
      inputMode="numeric"
      value={draft[field]}
      onChange={(value) => set({ [field]: value })}
      error={errors[field]}
      placeholder={placeholder}
    />
  );
  return (
    <div className={styles.limits}>
      {draft.consistency === "bounded" && number("bound_ms", "Greatest age, ms", "1000")}
      {number("ttl_ms", "Time to live, ms", draft.consistency === "ttl" ? "60000" : "no end by time")}
      {number("negative_ttl_ms", "Empty results live, ms", "like any other")}
      {number("result_bytes_max", "Largest result, bytes", "as set")}
      {draft.subject === "whole_project" &&
        number("memory_bytes_max", "Memory in one gateway, bytes", "as set")}
    </div>
  );
}
