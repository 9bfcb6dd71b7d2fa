// The rules that decide what is cached: listed, added, changed, deleted. Rules of the file are shown and left alone.
import { useState } from "react";
import { api, pathWith, useAction, usePages, useProject } from "@/api";
import { words } from "@/format";
import { Link } from "@/router";
import { Badge, Button, type Column, Confirm, Empty, IconButton, More, Panel, Table } from "@/ui";
import { Guarded, useWhyNot } from "../parts";
import styles from "./Cache.module.css";
import { type Draft, draftOf, limitsOf, NEW_DRAFT, subjectOf } from "./policy";
import { Mode } from "./Shapes";
import type { PoliciesResponse, Policy } from "./types";

function Subject({ policy }: { policy: Policy }) {
  const { kind, name } = subjectOf(policy.subject);
  if (kind === "whole_project") return <b>The whole project</b>;
  if (kind === "relation") return <b>{name}</b>;
  return (
    <Link to={`/queries/${name}`}>
      <code>{name}</code>
    </Link>
  );
}

interface Steps {
  edit: (policy: Policy) => void;
  remove: (policy: Policy) => void;
  whyNot: string | undefined;
}

const FROM_FILE = "It stands in the settings file and changes with the file only.";

function RowButtons({ policy, edit, remove, whyNot }: { policy: Policy } & Steps) {
  const reason = policy.origin === "file" ? FROM_FILE : whyNot;
  const { name } = subjectOf(policy.subject);
  return (
    <span className={styles.rowButtons}>
      <Button small look="quiet" disabled={reason !== undefined} title={reason} onClick={() => edit(policy)}>
        Change
      </Button>
      <IconButton
        small
        label={`Delete the rule for ${name || "the whole project"}`}
        icon="close"
        disabled={reason !== undefined}
        onClick={() => remove(policy)}
      />
    </span>
  );
}

const columns = (steps: Steps): Column<Policy>[] => [
  {
    key: "subject",
    title: "For",
    cell: (row) => <Subject policy={row} />,
    sort: (row) => subjectOf(row.subject).name,
  },
  { key: "mode", title: "Cached", cell: (row) => <Mode mode={row.mode} />, sort: (row) => row.mode },
  {
    key: "consistency",
    title: "How fresh",
    cell: (row) =>
      row.consistency === "unspecified" ? (
        <span className="muted">as the pool says</span>
      ) : (
        words(row.consistency)
      ),
    sort: (row) => row.consistency,
  },
  {
    key: "limits",
    title: "Limits",
    cell: (row) => limitsOf(row).join(", ") || <span className="muted">none of its own</span>,
  },
  { key: "note", title: "Note", cell: (row) => row.note || <span className="muted">–</span>, wideOnly: true },
  {
    key: "origin",
    title: "From",
    cell: (row) => (
      <Badge tone={row.origin === "file" ? "info" : "plain"}>
        {row.origin === "file" ? "file" : "by hand"}
      </Badge>
    ),
  },
  { key: "buttons", title: "", cell: (row) => <RowButtons policy={row} {...steps} /> },
];

export function Rules({ onDraft }: { onDraft: (draft: Draft, isNew: boolean) => void }) {
  const project = useProject();
  const [doomed, setDoomed] = useState<Policy | null>(null);
  const whyNot = useWhyNot();
  const pages = usePages<PoliciesResponse, Policy>(
    pathWith("/database/cache/policies", { project, limit: 200 }),
    { rowsOf: (answer) => answer.policies, keyOf: (row) => row.id, ranked: true, every: 10 },
  );
  const remove = useAction(
    (id: string) => api.delete(pathWith(`/database/cache/policies/${encodeURIComponent(id)}`, { project })),
    { done: "The rule is gone.", refreshes: ["/database/cache"], onDone: () => setDoomed(null) },
  );
  const steps: Steps = { edit: (policy) => onDraft(draftOf(policy), false), remove: setDoomed, whyNot };
  const name = doomed ? subjectOf(doomed.subject).name || "the whole project" : "";
  return (
    <Panel
      title="Rules"
      note="the most particular wins: shape, table, project"
      flush
      actions={
        <Button
          small
          look="primary"
          disabled={whyNot !== undefined}
          title={whyNot}
          onClick={() => onDraft(NEW_DRAFT, true)}
        >
          Add a rule
        </Button>
      }
    >
      <Guarded
        state={pages.state}
        what="Rules"
        height={200}
        refused="The rules of the cache are told to operators."
      >
        {(policies) => (
          <Table
            label="Rules of the cache"
            columns={columns(steps)}
            rows={policies}
            rowKey={(row) => row.id}
            sortName="rules"
            end={<More pages={pages} shown={policies.length} what="more" />}
            empty={
              <Empty title="No rule" icon="cache">
                Without rules, measurements decide: what pays is cached.
              </Empty>
            }
          />
        )}
      </Guarded>
      <Confirm
        title="Delete the rule?"
        isOpen={doomed !== null}
        onClose={() => setDoomed(null)}
        onConfirm={() => doomed && remove.run(doomed.id)}
        verb="Delete the rule"
        isBusy={remove.isBusy}
      >
        The rule for <b>{name}</b> is taken away. Measurements, or a wider rule, decide from then on.
      </Confirm>
    </Panel>
  );
}
