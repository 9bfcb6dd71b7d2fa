// The restore wizard: to which moment, into what, what would happen; at its end stands the command. It restores nothing.
import { type ReactNode, useState } from "react";
import { api, useAction } from "@/api";
import { Button, CheckField, Panel, Segments, SelectField, TextField } from "@/ui";
import { ServerOnly, useWhyNot } from "../parts";
import { Commits } from "./Commits";
import { Moment } from "./Moment";
import { PlanView } from "./PlanView";
import styles from "./Restore.module.css";
import type { Backup, RecoveryWindow, Repository, RestorePlan } from "./types";
import { type Aim, type Choice, FIRST_CHOICE, missingOf, orderOf } from "./wizard";

const AIMS: { value: Aim; title: string }[] = [
  { value: "latest", title: "Latest" },
  { value: "time", title: "A moment" },
  { value: "commit", title: "Before a commit" },
  { value: "name", title: "A named point" },
  { value: "consistent", title: "Only the backup" },
];

const AFTERWARDS = [
  { value: "", title: "Files are written; I start the server myself" },
  { value: "pause", title: "It is started, and waits read-only for me to look" },
  { value: "promote", title: "It is started, and takes writes" },
  { value: "stop", title: "It is started, recovers, and is stopped again" },
  { value: "standby", title: "Files of a standby are written" },
];

interface RestoreProps {
  windows: RecoveryWindow[];
  repositories: Repository[];
  backups: readonly Backup[];
}

export function Restore({ windows, repositories, backups }: RestoreProps) {
  const [choice, setChoice] = useState<Choice>(FIRST_CHOICE);
  const [planned, setPlanned] = useState<RestorePlan | null>(null);
  const whyNot = useWhyNot(true);
  const set = (changes: Partial<Choice>) => {
    setChoice({ ...choice, ...changes });
    setPlanned(null);
  };
  const plan = useAction(() => api.post<RestorePlan>("/database/backup/restore/plan", orderOf(choice)), {
    onDone: setPlanned,
  });
  const missing = missingOf(choice);
  return (
    <div className={styles.wizard}>
      <div className="stack">
        <Step number={1} title="To which moment?">
          <Segments
            label="Moment"
            value={choice.aim}
            onChange={(aim) => set({ aim: aim as Aim })}
            choices={AIMS}
          />
          <AimFields choice={choice} set={set} windows={windows} />
        </Step>
        <Step number={2} title="Into what?">
          <Into choice={choice} set={set} repositories={repositories} backups={backups} />
        </Step>
      </div>
      <div className={styles.side}>
        <Step number={3} title="What would happen">
          {planned ? (
            <PlanView planned={planned} />
          ) : (
            <ul className={styles.missing}>
              {missing.map((sentence) => (
                <li key={sentence}>{sentence}</li>
              ))}
            </ul>
          )}
          {plan.problem && !planned && (
            <p role="alert" className={styles.problem}>
              {plan.problem.message}
            </p>
          )}
          {!planned && (
            <div>
              <Button
                look="primary"
                isBusy={plan.isBusy}
                disabled={missing.length > 0 || whyNot !== undefined}
                title={whyNot}
                onClick={() => plan.run()}
              >
                Show what would happen
              </Button>
            </div>
          )}
        </Step>
      </div>
    </div>
  );
}

function Step({ number, title, children }: { number: number; title: string; children: ReactNode }) {
  return (
    <Panel
      title={
        <>
          <span className={styles.number}>{number}</span> {title}
        </>
      }
    >
      <div className="stack">{children}</div>
    </Panel>
  );
}

interface PartProps {
  choice: Choice;
  set: (changes: Partial<Choice>) => void;
}

function AimFields({ choice, set, windows }: PartProps & Pick<RestoreProps, "windows">) {
  if (choice.aim === "time")
    return (
      <Moment windows={windows} atUnixMs={choice.timeUnixMs} onChange={(timeUnixMs) => set({ timeUnixMs })} />
    );
  if (choice.aim === "commit") return <Commits xid={choice.xid} onChoose={({ xid }) => set({ xid })} />;
  if (choice.aim === "name") {
    return (
      <TextField
        label="Name of the restore point"
        value={choice.name}
        onChange={(name) => set({ name })}
        maxLength={63}
        spellCheck={false}
        help="As it was given to pg_create_restore_point."
      />
    );
  }
  if (choice.aim === "consistent")
    return <p>As soon as the backup is consistent: nothing that was committed after it was taken.</p>;
  return <p>Everything up to the end of the log that is safe in the repository.</p>;
}

function Into({
  choice,
  set,
  repositories,
  backups,
}: PartProps & Pick<RestoreProps, "repositories" | "backups">) {
  const whole = backups.filter((one) => one.project === "");
  return (
    <>
      <TextField
        label="Directory"
        value={choice.directory}
        onChange={(directory) => set({ directory })}
        placeholder="/srv/restore"
        help="The data directory to write, on the backup service's machine. It must be empty, unless what is in it is used."
        spellCheck={false}
        autoComplete="off"
      />
      <CheckField
        label="Use what is in the directory"
        checked={choice.delta}
        onChange={(delta) => set({ delta })}
        help="Only what differs is written. What is there and does not belong to the backup is lost."
      />
      <SelectField
        label="And then"
        value={choice.afterwards}
        onChange={(afterwards) => set({ afterwards: afterwards as Choice["afterwards"] })}
        choices={AFTERWARDS}
      />
      <SelectField
        label="Begin with"
        value={choice.backupId}
        onChange={(backupId) => set({ backupId })}
        choices={[{ value: "", title: "The best backup for the moment" }, ...whole.map(choiceOf)]}
      />
      {repositories.length > 1 && (
        <SelectField
          label="Read from"
          value={choice.repository}
          onChange={(repository) => set({ repository })}
          choices={[
            { value: "", title: "The first repository that has everything" },
            ...repositories.map(({ name }) => ({ value: name, title: name })),
          ]}
        />
      )}
      <CheckField
        label="Go on in spite of what can be overridden"
        checked={choice.force}
        onChange={(force) => set({ force })}
      />
    </>
  );
}

const choiceOf = (backup: Backup) => ({
  value: backup.id,
  title: `${new Date(backup.ended_unix_ms).toLocaleString("en-GB")}, ${backup.kind}, ${backup.state}`,
});

/** In its place for a token of a project. */
export const RestoreRefused = () => (
  <ServerOnly what="A restore brings back every project of the server; here one finds out what it would do." />
);
