// Making results invalid by hand: of a table, of a shape, or of the whole project. Asked before it is done.
import { useState } from "react";
import { api, pathWith, useAction, useProject, useSession } from "@/api";
import { Button, Confirm, Segments, TextField } from "@/ui";
import { useWhyNot } from "../parts";
import { errorsOf, NEW_DRAFT, type SubjectKind } from "./policy";
import type { InvalidateResponse } from "./types";

const TARGETS = [
  { value: "relation", title: "A table" },
  { value: "fingerprint", title: "A shape" },
  { value: "whole_project", title: "The project" },
];

const bodyOf = (kind: SubjectKind, name: string) => {
  if (kind === "relation") return { table: name };
  if (kind === "fingerprint") return { fingerprint: name };
  return { project_results: true };
};

export function Invalidate() {
  const project = useProject();
  const [isOpen, setOpen] = useState(false);
  const [kind, setKind] = useState<SubjectKind>("relation");
  const [name, setName] = useState("");
  const [isTried, setTried] = useState(false);
  const whyNot = useWhyNot();
  const { isOperator } = useSession();
  // A table and a shape may be cached for others too.
  const choices = isOperator ? TARGETS : TARGETS.filter((target) => target.value === "whole_project");
  const order = useAction(
    () =>
      api.post<InvalidateResponse>(
        pathWith("/database/cache/invalidate", { project }),
        bodyOf(kind, name.trim()),
      ),
    {
      done: ({ receipts }) =>
        receipts.length === 0
          ? "No database of the project is followed: nothing was cached."
          : `Invalid from now on, in ${receipts.map((one) => one.database).join(", ")}.`,
      refreshes: ["/database/cache"],
      onDone: () => setOpen(false),
    },
  );
  const error = errorsOf({ ...NEW_DRAFT, subject: kind, name }).name;
  const confirm = () => {
    setTried(true);
    if (!error) void order.run();
  };
  const open = () => {
    setName("");
    setKind(isOperator ? "relation" : "whole_project");
    setTried(false);
    setOpen(true);
  };
  return (
    <>
      <Button disabled={whyNot !== undefined} title={whyNot} onClick={open}>
        Invalidate…
      </Button>
      <Confirm
        title="Make results invalid"
        isOpen={isOpen}
        onClose={() => setOpen(false)}
        onConfirm={confirm}
        verb="Invalidate"
        typed={kind === "whole_project" ? project : undefined}
        isBusy={order.isBusy}
      >
        <div className="stack">
          <p>
            PostgreSQL answers again until results are kept anew. Nobody gets a wrong answer; some wait
            longer.
          </p>
          <Segments
            label="What"
            value={kind}
            onChange={(value) => setKind(value as SubjectKind)}
            choices={choices}
          />
          {kind === "whole_project" ? (
            <p>
              Every result of the project <b>{project}</b>.
            </p>
          ) : (
            <TextField
              label={kind === "relation" ? "Table" : "Fingerprint"}
              placeholder={kind === "relation" ? "public.orders" : "16 hexadecimal digits"}
              value={name}
              onChange={setName}
              error={isTried ? error : undefined}
              spellCheck={false}
              autoComplete="off"
            />
          )}
        </div>
      </Confirm>
    </>
  );
}
