// The firewall: what it does for whom, what enforcing would do, and the shapes that wait for a person.
import { useState } from "react";
import { useApi } from "@/api";
import { exact, full, plural } from "@/format";
import { Badge, Bar, Button, type Column, Empty, Loaded, Panel, Table, Time } from "@/ui";
import { useWhyNot } from "../parts";
import { dryRunWords, keyOf, learnedPart, modeWords, scopeWords } from "./firewall";
import { ModeDialog } from "./ModeDialog";
import styles from "./Security.module.css";
import { Shapes } from "./Shapes";
import {
  FIREWALL,
  type FirewallModeSet,
  type FirewallResponse,
  type FirewallScope,
  type FirewallScopeStatus,
} from "./types";

export function Firewall() {
  const whyNot = useWhyNot(true);
  const [changing, setChanging] = useState<FirewallScope | null>(null);
  const state = useApi<FirewallResponse>(`${FIREWALL}?limit=1000`, {
    scoped: true,
    every: 2,
    on: ["security.violation"],
  });
  const change = (scope: FirewallScope) => setChanging(scope);
  return (
    <div className="stack">
      <Panel
        title="What it does for whom"
        note={state.data && `counted since ${full(state.data.since_unix_ms)}`}
        flush
        actions={
          <Button
            small
            look="primary"
            disabled={whyNot !== undefined}
            title={whyNot}
            onClick={() => change({ project: "", database: "", user: "" })}
          >
            Change for the project
          </Button>
        }
      >
        <Loaded state={state} what="The firewall" height={240}>
          {(data) => (
            <>
              {!data.kept && hasKnown(data) && (
                <p className={styles.once} role="status">
                  Shapes are not kept now, and reach no other gateway: {data.reason}
                </p>
              )}
              <Scopes data={data} change={change} whyNot={whyNot} />
              <SetModes modes={data.modes} />
            </>
          )}
        </Loaded>
      </Panel>
      <Shapes />
      <ModeDialog
        scope={changing}
        scopes={state.data?.scopes ?? []}
        sinceUnixMs={state.data?.since_unix_ms ?? 0}
        onClose={() => setChanging(null)}
      />
    </div>
  );
}

/** Where nothing is known yet, there is nothing to keep. */
const hasKnown = (data: FirewallResponse): boolean =>
  data.scopes.some((one) => one.learned + one.approved > 0);

interface ScopesProps {
  data: FirewallResponse;
  change: (scope: FirewallScope) => void;
  whyNot: string | undefined;
}

function Scopes({ data, change, whyNot }: ScopesProps) {
  return (
    <Table
      label="What the firewall does for whom"
      columns={columns(data.since_unix_ms, change, whyNot)}
      rows={data.scopes}
      rowKey={(row) => keyOf(row.scope)}
      sortName="scopes"
      rowHeight={84}
      cardHeight={300}
      empty={
        <Empty title="Nobody has sent a statement yet" icon="security">
          Each role of each database stands here from its first statement on.
        </Empty>
      }
    />
  );
}

function Mode({ row }: { row: FirewallScopeStatus }) {
  const holds = modeWords(row.effective_mode);
  return (
    <span className={styles.two}>
      <Badge tone={holds.tone} dot title={holds.meaning}>
        {holds.title}
      </Badge>
      <small>
        {row.mode !== row.effective_mode && `${modeWords(row.mode).title} is set. `}
        {row.reason || (row.mode_from === "operator" ? "set by an operator" : "as the settings say")}
      </small>
    </span>
  );
}

function Learned({ row }: { row: FirewallScopeStatus }) {
  const part = learnedPart(row);
  const known = row.learned + row.approved;
  return (
    <span className={styles.learned}>
      {part !== null && <Bar part={part} label={`Known shapes of ${scopeWords(row.scope)}`} />}
      <small>
        {exact(known)} known{row.approved > 0 && `, ${exact(row.approved)} of them approved`};{" "}
        {exact(row.queued)} waiting
        {row.overflowed > 0 && `; ${plural(row.overflowed, "shape")} found no room`}
      </small>
    </span>
  );
}

const columns = (
  sinceUnixMs: number,
  change: (scope: FirewallScope) => void,
  whyNot: string | undefined,
): Column<FirewallScopeStatus>[] => [
  {
    key: "scope",
    title: "Whose",
    lead: true,
    cell: (row) => (
      <span className={styles.two}>
        {scopeWords(row.scope)}
        <small>{dryRunWords(row, sinceUnixMs)}</small>
      </span>
    ),
    sort: (row) => scopeWords(row.scope),
  },
  { key: "mode", title: "Mode", width: "220px", whole: true, cell: (row) => <Mode row={row} /> },
  { key: "learned", title: "Shapes", width: "220px", whole: true, cell: (row) => <Learned row={row} /> },
  {
    key: "blocked",
    title: "Blocked",
    help: "In the last hour, and since the gateway began to count",
    width: "120px",
    numeric: true,
    cell: (row) => `${exact(row.blocked_last_hour)} / ${exact(row.blocked)}`,
    sort: (row) => row.blocked,
  },
  {
    key: "reported",
    title: "Let through",
    help: "Told of in the last hour, and since the gateway began to count",
    width: "120px",
    numeric: true,
    cell: (row) => `${exact(row.reported_last_hour)} / ${exact(row.reported)}`,
    sort: (row) => row.reported,
  },
  {
    key: "change",
    title: "",
    width: "104px",
    cell: (row) => (
      <Button
        small
        look="quiet"
        disabled={whyNot !== undefined || row.scope === null}
        title={whyNot}
        aria-label={`Change the mode for ${scopeWords(row.scope)}`}
        onClick={() => row.scope && change(row.scope)}
      >
        Change
      </Button>
    ),
  },
];

/** Modes that were set by hand: they go before the settings. */
function SetModes({ modes }: { modes: readonly FirewallModeSet[] }) {
  if (modes.length === 0) return null;
  return (
    <ul className={styles.setModes} aria-label="Modes set by operators">
      {modes.map((one) => (
        <li key={keyOf(one.scope)}>
          <Badge tone={modeWords(one.mode).tone}>{modeWords(one.mode).title}</Badge> is set for{" "}
          {scopeWords(one.scope)} {one.by && `by ${one.by}, `}
          <Time at={one.at_unix_ms} />
        </li>
      ))}
    </ul>
  );
}
