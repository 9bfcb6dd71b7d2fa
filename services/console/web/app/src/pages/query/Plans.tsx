// Captured plans of a shape: which there were, the chosen one as a tree, what was found in it.
import { useMemo, useState } from "react";
import type { CapturedPlan, Finding, PlansResponse } from "@/api";
import { count, dayClock, exact, plural } from "@/format";
import { Badge, Code, CopyButton, Empty, Panel, Segments, SelectField, Severity } from "@/ui";
import styles from "./Plans.module.css";
import { type PlanNode, readPlan } from "./plan";

export function Plans({ data }: { data: PlansResponse }) {
  const [chosen, choose] = useState("");
  const [view, setView] = useState("tree");
  const plan = data.plans.find((one) => keyOf(one) === chosen) ?? data.plans[0];
  if (!plan) {
    return (
      <Panel title="Plans">
        <Empty title="No plan captured yet" icon="tree">
          The plan of a statement is captured when it is slow, or when its latency changes.
        </Empty>
      </Panel>
    );
  }
  const choices = data.plans.map((one) => ({
    value: keyOf(one),
    title: `${dayClock(one.captured_unix_ms)} on ${one.database}, shape ${one.plan_shape.slice(0, 6)}`,
  }));
  const shapes = new Set(data.plans.map((one) => one.plan_shape)).size;
  return (
    <Panel
      title="Plans"
      note={plural(shapes, "shape")}
      actions={
        <>
          {choices.length > 1 && (
            <SelectField
              hideLabel
              label="Captured plan"
              value={keyOf(plan)}
              onChange={choose}
              choices={choices}
            />
          )}
          <Segments label="View of the plan" value={view} onChange={setView} choices={VIEWS} />
          <CopyButton text={plan.plan_json}>JSON</CopyButton>
        </>
      }
    >
      <div className="stack">
        <p className="muted">
          Captured {plural(plan.captures, "time")} since {dayClock(plan.first_captured_unix_ms)}.
          {plan.shortened && " Long lists of constants were shortened for it."}
        </p>
        <Findings findings={plan.findings.filter((finding) => finding.node === null)} />
        {view === "tree" ? <Tree plan={plan} /> : <Code code={plan.plan_text} label="The plan as text" />}
      </div>
    </Panel>
  );
}

const VIEWS = [
  { value: "tree", title: "Tree" },
  { value: "text", title: "Text" },
];

const keyOf = (plan: CapturedPlan): string => `${plan.database}/${plan.plan_shape}/${plan.captured_unix_ms}`;

function Findings({ findings }: { findings: Finding[] }) {
  if (findings.length === 0) return null;
  return (
    <ul className={styles.findings}>
      {findings.map((finding) => (
        <li key={finding.slug + finding.text} className={styles.finding} data-severity={finding.severity}>
          <div className="row">
            <Severity severity={finding.severity} />
            <b>{finding.slug}</b>
          </div>
          <p>{finding.text}</p>
          {finding.hint && <p className="muted">{finding.hint}</p>}
        </li>
      ))}
    </ul>
  );
}

function Tree({ plan }: { plan: CapturedPlan }) {
  const root = useMemo(() => readPlan(plan.plan_json), [plan.plan_json]);
  if (!root) return <Code code={plan.plan_text} label="The plan as text" />;
  return (
    <div className={styles.tree} role="region" tabIndex={0} aria-label="The plan as a tree">
      <ul>
        <Step node={root} whole={root.cost} findings={plan.findings} />
      </ul>
    </div>
  );
}

interface StepProps {
  node: PlanNode;
  whole: number;
  findings: Finding[];
}

function Step({ node, whole, findings }: StepProps) {
  const own = findings.filter((finding) => finding.node === node.id);
  const part = whole > 0 ? node.ownCost / whole : 0;
  return (
    <li className={styles.step}>
      <div className={styles.node} data-marked={own.length > 0 || undefined}>
        <div className={styles.nodeHead}>
          <b>{node.type}</b>
          {node.relation && <code>{node.relation}</code>}
          {node.index && <Badge>{node.index}</Badge>}
          <span
            className={styles.cost}
            title={`cost ${exact(node.ownCost)} of ${exact(whole)}, without what is below`}
          >
            <span className={styles.bar} aria-hidden="true">
              <span style={{ width: `${Math.round(part * 100)}%` }} />
            </span>
            {Math.round(part * 100)}
            {"\u00a0"}% of the cost
          </span>
        </div>
        <p className={styles.rows}>{`${count(node.rows)} ${node.rows === 1 ? "row" : "rows"} expected`}</p>
        {node.conditions.map((condition) => (
          <code key={condition} className={styles.condition}>
            {condition}
          </code>
        ))}
        <Findings findings={own} />
      </div>
      {node.children.length > 0 && (
        <ul className={styles.children}>
          {node.children.map((child) => (
            <Step key={child.id} node={child} whole={whole} findings={findings} />
          ))}
        </ul>
      )}
    </li>
  );
}
