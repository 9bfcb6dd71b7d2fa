// The services and what they depend on: state, latency, since when.
import { type ApiState, useApi } from "@/api";
import { duration } from "@/format";
import { Allowed, type Column, Empty, Panel, State, Table, Time } from "@/ui";
import { HEALTH, type HealthPart, type HealthResponse } from "./types";

const COLUMNS: Column<HealthPart>[] = [
  { key: "name", title: "Name", cell: (part) => part.name, sort: (part) => part.name },
  { key: "state", title: "State", cell: (part) => <State state={part.state} />, sort: (part) => part.state },
  {
    key: "latency_ms",
    title: "Answers in",
    numeric: true,
    cell: (part) => duration(part.latency_ms),
    sort: (part) => part.latency_ms,
  },
  {
    key: "since_unix_ms",
    title: "Since",
    cell: (part) => <Time at={part.since_unix_ms} />,
    sort: (part) => part.since_unix_ms,
  },
  { key: "reason", title: "Note", whole: true, cell: (part) => part.reason },
];

export function Services() {
  const state = useApi<HealthResponse>(HEALTH, { every: 1 });
  return (
    <div className="stack">
      <Parts state={state} of="services" title="Services" />
      <Parts state={state} of="dependencies" title="What they depend on" />
    </div>
  );
}

interface PartsProps {
  state: ApiState<HealthResponse>;
  of: "services" | "dependencies";
  title: string;
}

function Parts({ state, of, title }: PartsProps) {
  return (
    <Panel title={title} flush>
      <Allowed state={state} what={title} height={240}>
        {(health) => (
          <Table
            label={`${title}, with their states`}
            columns={COLUMNS}
            rows={health[of]}
            rowKey={(part) => part.name}
            sortName={of}
            empty={<Empty title="None is known" />}
          />
        )}
      </Allowed>
    </Panel>
  );
}
