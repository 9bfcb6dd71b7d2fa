// The rules that alerts come from: what each looks at, its bounds, whether it is judged, where that was said.
import { useState } from "react";
import { type ApiState, api, pathWith, useAction, useSession } from "@/api";
import { useQueryState } from "@/router";
import {
  Allowed,
  Badge,
  Button,
  type Column,
  Confirm,
  Empty,
  Panel,
  SearchField,
  Segments,
  Table,
} from "@/ui";
import styles from "./Alerts.module.css";
import { putRule } from "./putRule";
import { Bounds, RuleName } from "./RuleCells";
import { RuleDialog } from "./RuleDialog";
import { type AlertRule, RULES, type RulesResponse } from "./types";
import { writeSpan } from "./units";

const ORIGINS: Record<string, string> = {
  "built-in": "came with Weir",
  file: "the file",
  grpc: "put while running",
};
const SHOWN = [
  { value: "", title: "All" },
  { value: "changed", title: "Changed" },
  { value: "off", title: "Off" },
];

export const isOn = (rule: AlertRule): boolean => rule.enabled !== false;

export function Rules({ state }: { state: ApiState<RulesResponse> }) {
  const { mayChange, isOperator } = useSession();
  const [search, setSearch] = useQueryState("rule");
  const [shown, setShown] = useQueryState("rules");
  const [editing, setEditing] = useState<AlertRule | null>(null);
  const [resetting, setResetting] = useState<AlertRule | null>(null);
  const may = mayChange && isOperator;
  const filters = (
    <>
      <SearchField label="Search the rules" placeholder="Search" value={search} onChange={setSearch} />
      <Segments label="Which rules" value={shown} onChange={setShown} choices={SHOWN} />
    </>
  );
  return (
    <Panel title="Rules" flush actions={filters}>
      <Allowed state={state} what="Rules" height={480}>
        {(data) => (
          <Table
            label="All rules"
            columns={may ? [...COLUMNS, actionsWith(setEditing, setResetting)] : COLUMNS}
            rows={data.rules.filter((rule) => isWanted(rule, search, shown))}
            rowKey={(rule) => `${rule.name}/${rule.project}`}
            sortName="rules-by"
            empty={<Empty title="No rule fits the filter" icon="search" />}
          />
        )}
      </Allowed>
      <RuleDialog rule={editing} onClose={() => setEditing(null)} />
      <Reset rule={resetting} onClose={() => setResetting(null)} />
    </Panel>
  );
}

function isWanted(rule: AlertRule, search: string, shown: string): boolean {
  if (shown === "changed" && rule.origin === "built-in") return false;
  if (shown === "off" && isOn(rule)) return false;
  return `${rule.name} ${rule.metric} ${rule.project} ${rule.summary}`
    .toLowerCase()
    .includes(search.toLowerCase());
}

const COLUMNS: Column<AlertRule>[] = [
  { key: "name", title: "Rule", cell: (rule) => <RuleName rule={rule} />, sort: (rule) => rule.name },
  {
    key: "enabled",
    title: "Judged",
    cell: (rule) =>
      isOn(rule) ? (
        <Badge tone="good" dot>
          on
        </Badge>
      ) : (
        <Badge dot>off</Badge>
      ),
    sort: (rule) => (isOn(rule) ? 1 : 0),
  },
  { key: "bounds", title: "Bounds", cell: (rule) => <Bounds rule={rule} /> },
  {
    key: "for_ms",
    title: "For",
    help: "How long it has to hold before it fires",
    numeric: true,
    cell: (rule) => (rule.for_ms ? writeSpan(rule.for_ms) : "at once"),
    sort: (rule) => rule.for_ms ?? 0,
  },
  {
    key: "origin",
    title: "Said by",
    cell: (rule) => <span className={styles.origin}>{ORIGINS[rule.origin] ?? rule.origin}</span>,
    sort: (rule) => rule.origin,
  },
];

const actionsWith = (
  edit: (rule: AlertRule) => void,
  reset: (rule: AlertRule) => void,
): Column<AlertRule> => ({
  key: "actions",
  title: "",
  whole: true,
  cell: (rule) => (
    <div className={styles.buttons}>
      <Button small onClick={() => edit(rule)} aria-label={`Change ${rule.name}`}>
        Change
      </Button>
      <Switch rule={rule} />
      {rule.origin === "grpc" && (
        <Button small look="quiet" onClick={() => reset(rule)} aria-label={`Reset ${rule.name}`}>
          Reset
        </Button>
      )}
    </div>
  ),
});

function Switch({ rule }: { rule: AlertRule }) {
  const on = isOn(rule);
  const change = useAction(() => putRule({ ...rule, enabled: !on }), {
    done: on ? `${rule.name} is off: it is not judged any more.` : `${rule.name} is judged from now on.`,
    refreshes: [RULES],
  });
  return (
    <Button
      small
      look="quiet"
      isBusy={change.isBusy}
      onClick={() => change.run()}
      aria-label={`Switch ${on ? "off" : "on"} ${rule.name}`}
    >
      {on ? "Switch off" : "Switch on"}
    </Button>
  );
}

function Reset({ rule, onClose }: { rule: AlertRule | null; onClose: () => void }) {
  const reset = useAction(
    (one: AlertRule) =>
      api.delete(pathWith(`${RULES}/${encodeURIComponent(one.name)}`, { project: one.project })),
    { done: "The rule is as it was.", refreshes: [RULES], onDone: onClose },
  );
  return (
    <Confirm
      title={`Reset ${rule?.name}`}
      isOpen={rule !== null}
      onClose={onClose}
      verb="Reset it"
      isBusy={reset.isBusy}
      onConfirm={() => rule && reset.run(rule)}
    >
      What was put while Weir ran is forgotten. The rule is then as the file has it, or as it came with Weir;
      one that was added is gone.
    </Confirm>
  );
}
