// Taking a backup: of the whole cluster, or the export of one project.
import { useState } from "react";
import { api, pathWith, useAction, useProject, useSession } from "@/api";
import { Button, CheckField, Dialog, SelectField, TextField } from "@/ui";
import { useWhyNot, type Work } from "../parts";
import type { Repository } from "./types";

const WHOLE = [
  { value: "", title: "As fits: incremental, or full where there is none" },
  { value: "full", title: "Full: every file read anew" },
  { value: "incremental", title: "Incremental: what changed since the last" },
  { value: "differential", title: "Differential: what changed since the last full one" },
];

export function Create({ repositories }: { repositories: Repository[] }) {
  const { isOperator } = useSession();
  const project = useProject();
  const whyNot = useWhyNot();
  const [isOpen, setOpen] = useState(false);
  const [kind, setKind] = useState(isOperator ? "" : "project");
  const [repository, setRepository] = useState("");
  const [label, setLabel] = useState("");
  const [isNow, setNow] = useState(false);
  const isExport = kind === "project";
  const body = {
    ...(kind === "" ? {} : { kind }),
    ...(repository === "" ? {} : { repository }),
    ...(label.trim() === "" ? {} : { label: label.trim() }),
    ...(isNow && !isExport ? { checkpoint_now: true } : {}),
  };
  const create = useAction(() => api.post<Work>(pathWith("/database/backup/create", { project }), body), {
    done: "Asked for; how far it is stands at the top of the page.",
    refreshes: ["/database/backup", "/database/jobs"],
    onDone: () => setOpen(false),
  });
  const exported = { value: "project", title: `Export of the project ${project}` };
  return (
    <>
      <Button look="primary" disabled={whyNot !== undefined} title={whyNot} onClick={() => setOpen(true)}>
        {isOperator ? "Take a backup…" : "Export the project…"}
      </Button>
      <Dialog
        title={isExport ? `Export ${project}` : "Take a backup"}
        isOpen={isOpen}
        onClose={() => setOpen(false)}
        actions={
          <>
            <Button onClick={() => setOpen(false)}>Cancel</Button>
            <Button look="primary" isBusy={create.isBusy} onClick={() => create.run()}>
              {isExport ? "Export it" : "Take it"}
            </Button>
          </>
        }
      >
        <div className="stack">
          <SelectField
            label="What"
            value={kind}
            onChange={setKind}
            choices={isOperator ? [...WHOLE, exported] : [exported]}
          />
          {repositories.length > 1 && (
            <SelectField
              label="Where"
              value={repository}
              onChange={setRepository}
              choices={[
                { value: "", title: "In all repositories" },
                ...repositories.map(({ name }) => ({ value: name, title: `Only in ${name}` })),
              ]}
            />
          )}
          <TextField label="Note" value={label} onChange={setLabel} placeholder="before the upgrade" />
          {!isExport && (
            <CheckField
              label="Begin at once"
              checked={isNow}
              onChange={setNow}
              help="With an immediate checkpoint, which the server feels, rather than a spread one."
            />
          )}
          {create.problem && <p role="alert">{create.problem.message}</p>}
        </div>
      </Dialog>
    </>
  );
}
