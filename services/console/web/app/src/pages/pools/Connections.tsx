// Who is connected: clients of the gateway, and its own connections to the servers; found, sorted, ended.
import { type ReactNode, useState } from "react";
import { api, type Pages, useAction } from "@/api";
import { duration, words } from "@/format";
import { useQueryState } from "@/router";
import {
  Badge,
  Button,
  type Column,
  Confirm,
  Empty,
  Filters,
  More,
  SearchField,
  Segments,
  SelectField,
  Table,
  type Tone,
} from "@/ui";
import { useWhyNot } from "../parts";
import { matches, statesOf } from "./filter";
import styles from "./Pools.module.css";
import type { Client, ConnectionsResponse, ServerConnection } from "./types";

const TONES: Record<string, Tone> = {
  active: "info",
  waiting: "bad",
  "idle in transaction": "warn",
  kept: "warn",
};

const Doing = ({ state }: { state: string }) => (
  <Badge tone={TONES[state] ?? "plain"} dot>
    {words(state)}
  </Badge>
);

const named = (text: string) => (text === "" ? <span className="muted">no name</span> : text);
const known = (id: number | null) => (id === null ? <span className="muted">–</span> : `#${id}`);

const clientColumns = (kill: (client: Client) => void, whyNot: string | undefined): Column<Client>[] => [
  { key: "id", title: "Client", cell: (row) => <b>#{row.id}</b>, sort: (row) => row.id, width: "76px" },
  {
    key: "application",
    title: "Application",
    cell: (row) => named(row.application),
    sort: (row) => row.application,
    lead: true,
  },
  {
    key: "state",
    title: "State",
    cell: (row) => <Doing state={row.state} />,
    sort: (row) => row.state,
    width: "156px",
    lead: true,
  },
  {
    key: "state_ms",
    title: "For",
    cell: (row) => duration(row.state_ms),
    sort: (row) => row.state_ms,
    numeric: true,
    width: "112px",
  },
  {
    key: "database",
    title: "Database",
    cell: (row) => `${row.role}@${row.database}`,
    sort: (row) => row.database,
    width: "168px",
  },
  {
    key: "project",
    title: "Project",
    cell: (row) => row.project,
    sort: (row) => row.project,
    width: "112px",
  },
  {
    key: "address",
    title: "From",
    cell: (row) => row.address,
    sort: (row) => row.address,
    wideOnly: true,
    width: "168px",
  },
  { key: "server", title: "Has", cell: (row) => known(row.server), wideOnly: true, width: "72px" },
  {
    key: "kill",
    title: "",
    cell: (row) => (
      <Button
        small
        look="danger"
        disabled={whyNot !== undefined}
        title={whyNot}
        aria-label={`End client ${row.id}`}
        onClick={() => kill(row)}
      >
        End
      </Button>
    ),
    width: "84px",
  },
];

const SERVER_COLUMNS: Column<ServerConnection>[] = [
  { key: "id", title: "Connection", cell: (row) => <b>#{row.id}</b>, sort: (row) => row.id, width: "104px" },
  {
    key: "database",
    title: "Database",
    cell: (row) => `${row.role}@${row.database}`,
    sort: (row) => row.database,
    lead: true,
  },
  {
    key: "state",
    title: "State",
    cell: (row) => <Doing state={row.state} />,
    sort: (row) => row.state,
    width: "156px",
    lead: true,
  },
  {
    key: "upstream",
    title: "Server",
    cell: (row) => row.upstream,
    sort: (row) => row.upstream,
    width: "168px",
  },
  {
    key: "process_id",
    title: "Process",
    cell: (row) => row.process_id,
    sort: (row) => row.process_id,
    numeric: true,
    width: "88px",
  },
  {
    key: "age_s",
    title: "Age",
    cell: (row) => duration(row.age_s * 1000),
    sort: (row) => row.age_s,
    numeric: true,
    width: "112px",
  },
  { key: "client", title: "Lent to", cell: (row) => known(row.client), width: "84px" },
  {
    key: "held_ms",
    title: "Held for",
    cell: (row) => duration(row.held_ms),
    sort: (row) => row.held_ms,
    numeric: true,
    width: "112px",
  },
  {
    key: "prepared_statements",
    title: "Prepared",
    cell: (row) => row.prepared_statements,
    sort: (row) => row.prepared_statements,
    numeric: true,
    wideOnly: true,
    width: "96px",
  },
];

interface ConnectionsProps {
  clients: readonly Client[];
  pages: Pages<Client, ConnectionsResponse>;
}

const NONE: Omit<ConnectionsResponse, "clients" | "next"> = {
  servers: [],
  clients_total: 0,
  servers_total: 0,
};

export function Connections({ clients, pages }: ConnectionsProps) {
  const { servers, clients_total, servers_total } = pages.answer ?? NONE;
  const [side, setSide] = useQueryState("side", "clients");
  const [search, setSearch] = useQueryState("find");
  const [state, setState] = useQueryState("state");
  const rows: readonly (Client | ServerConnection)[] = side === "servers" ? servers : clients;
  const wanted = <Row extends Client | ServerConnection>(all: readonly Row[]) =>
    all.filter((row) => matches(row, search) && (state === "" || row.state === state));
  const none = (
    <Empty title={rows.length === 0 ? "Nobody is connected" : "Nothing fits"} icon="search">
      {rows.length === 0
        ? "Connections appear here as soon as there are some."
        : "Take back a filter to see more."}
    </Empty>
  );
  return (
    <>
      <div className={styles.filters}>
        <Filters label="Filter connections">
          <Segments
            label="Which side"
            value={side}
            onChange={setSide}
            choices={[
              { value: "clients", title: `Clients ${clients_total}` },
              { value: "servers", title: `Servers ${servers_total}` },
            ]}
          />
          <SearchField
            label="Find connections"
            placeholder="Application, role, database, address"
            value={search}
            onChange={setSearch}
          />
          <SelectField
            label="State"
            hideLabel
            value={state}
            onChange={setState}
            choices={[
              { value: "", title: "In any state" },
              ...statesOf(rows).map((one) => ({ value: one, title: words(one) })),
            ]}
          />
        </Filters>
      </div>
      {side !== "servers" && clients.length < clients_total && (
        <p className={styles.cut}>
          The first {clients.length} of {clients_total} clients are here; the filters look at these.
        </p>
      )}
      {side === "servers" && servers.length < servers_total && (
        <p className={styles.cut}>
          The first {servers.length} of {servers_total} connections are here, which is as many as are told.
        </p>
      )}
      {side === "servers" ? (
        <Table
          label="Connections to servers"
          columns={SERVER_COLUMNS}
          rows={wanted(servers)}
          rowKey={(row) => String(row.id)}
          initialSort="-held_ms"
          sortName="servers"
          empty={none}
        />
      ) : (
        <Clients rows={wanted(clients)} pages={pages} read={clients.length} none={none} />
      )}
    </>
  );
}

interface ClientsProps {
  rows: readonly Client[];
  pages: Pages<Client, ConnectionsResponse>;
  /** How many were read, before the filters. */
  read: number;
  none: ReactNode;
}

function Clients({ rows, pages, read, none }: ClientsProps) {
  const [doomed, setDoomed] = useState<Client | null>(null);
  const whyNot = useWhyNot(true);
  const kill = useAction((id: number) => api.delete(`/database/connections/${id}`), {
    done: "The client was cut off.",
    refreshes: ["/database/connections", "/database/connection-pool"],
    onDone: () => setDoomed(null),
  });
  return (
    <>
      <Table
        label="Clients"
        columns={clientColumns(setDoomed, whyNot)}
        rows={rows}
        rowKey={(row) => String(row.id)}
        initialSort="-state_ms"
        sortName="clients"
        cardHeight={188}
        empty={none}
        end={<More pages={pages} shown={read} what="more" />}
      />
      <Confirm
        title={`End client #${doomed?.id ?? ""}?`}
        isOpen={doomed !== null}
        onClose={() => setDoomed(null)}
        onConfirm={() => doomed && kill.run(doomed.id)}
        verb="End the client"
        isBusy={kill.isBusy}
      >
        {doomed && (
          <p>
            <b>{doomed.application || "A client without a name"}</b> ({doomed.role}@{doomed.database},{" "}
            {doomed.address}) is {words(doomed.state)}. Its statement is cancelled, what it has not committed
            is rolled back, and it gets an error that says so.
          </p>
        )}
      </Confirm>
    </>
  );
}
