// Silences: those that count now, those to come, those that ended lately.
import { useState } from "react";
import { type Alert, api, useAction, useApi, useSession } from "@/api";
import { Allowed, Badge, Button, type Column, Confirm, Empty, Panel, Table, Time, useNow } from "@/ui";
import styles from "./Alerts.module.css";
import { fits } from "./pattern";
import { SilenceDialog } from "./SilenceDialog";
import { ALERTS, SILENCES, type Silence, type SilencesResponse } from "./types";

type Phase = "now" | "to come" | "over";

const phaseOf = (silence: Silence, now: number): Phase => {
  if (silence.ends_unix_ms <= now) return "over";
  return silence.starts_unix_ms > now ? "to come" : "now";
};

export function Silences({ alerts }: { alerts: readonly Alert[] }) {
  const { mayChange } = useSession();
  const [isNew, setNew] = useState(false);
  const [ending, setEnding] = useState<Silence | null>(null);
  const state = useApi<SilencesResponse>(SILENCES, { every: 5, on: ["alert"] });
  const expire = useAction((id: string) => api.delete(`${SILENCES}/${encodeURIComponent(id)}`), {
    done: "The silence has ended.",
    refreshes: [SILENCES, ALERTS],
    onDone: () => setEnding(null),
  });
  const add = (
    <Button small look="primary" icon="moon" onClick={() => setNew(true)}>
      New silence
    </Button>
  );
  return (
    <Panel title="Silences" flush actions={mayChange && add}>
      <Allowed state={state} what="Silences">
        {(data) => (
          <SilenceTable silences={data.silences} alerts={alerts} onEnd={mayChange ? setEnding : null} />
        )}
      </Allowed>
      <SilenceDialog alert={null} alerts={alerts} isOpen={isNew} onClose={() => setNew(false)} />
      <Confirm
        title="End this silence"
        isOpen={ending !== null}
        onClose={() => setEnding(null)}
        verb="End it"
        isBusy={expire.isBusy}
        onConfirm={() => ending && expire.run(ending.id)}
      >
        Channels are told at once of what fires and fits: {ending?.comment}
      </Confirm>
    </Panel>
  );
}

interface SilenceTableProps {
  silences: readonly Silence[];
  alerts: readonly Alert[];
  onEnd: ((silence: Silence) => void) | null;
}

function SilenceTable({ silences, alerts, onEnd }: SilenceTableProps) {
  const now = useNow();
  const columns: Column<Silence>[] = [
    { key: "matchers", title: "What fits", cell: (row) => <Matchers matchers={row.matchers} />, lead: true },
    { key: "phase", title: "State", cell: (row) => <PhaseBadge phase={phaseOf(row, now)} /> },
    {
      key: "fits",
      title: "Fits now",
      numeric: true,
      cell: (row) =>
        phaseOf(row, now) === "now" ? alerts.filter((alert) => fits(row.matchers, alert)).length : "–",
    },
    { key: "comment", title: "Why", whole: true, cell: (row) => row.comment },
    { key: "author", title: "By", cell: (row) => row.author, sort: (row) => row.author },
    {
      key: "ends_unix_ms",
      title: "Ends",
      cell: (row) => <Time at={row.ends_unix_ms} />,
      sort: (row) => row.ends_unix_ms,
    },
    {
      key: "actions",
      title: "",
      whole: true,
      cell: (row) =>
        onEnd &&
        phaseOf(row, now) !== "over" && (
          <Button small onClick={() => onEnd(row)}>
            End now
          </Button>
        ),
    },
  ];
  return (
    <Table
      label="All silences"
      columns={onEnd ? columns : columns.slice(0, -1)}
      rows={silences}
      rowKey={(row) => row.id}
      sortName="silences"
      initialSort="-ends_unix_ms"
      empty={
        <Empty title="No silence" icon="moon">
          Channels are told of everything. A silence keeps them quiet for a while; alerts fire all the same.
        </Empty>
      }
    />
  );
}

function PhaseBadge({ phase }: { phase: Phase }) {
  return (
    <Badge tone={phase === "now" ? "good" : "plain"} dot>
      {phase}
    </Badge>
  );
}

export function Matchers({ matchers }: { matchers: Readonly<Record<string, string>> }) {
  return (
    <span className={styles.matchers}>
      {Object.entries(matchers).map(([name, pattern]) => (
        <code key={name} className={styles.matcher}>
          {name}={pattern}
        </code>
      ))}
    </span>
  );
}
