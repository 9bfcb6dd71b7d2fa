// Pools and connections: how full pools are, who is connected, which breaker is open, and who holds others up.
import { useMemo } from "react";
import { useFigures, usePages, useSession } from "@/api";
import { countFigure, ratioFigure } from "@/format";
import { PageHead, Panel, Stat, Stats, Tabs } from "@/ui";
import { Guarded, useServerApi, useTrail } from "../parts";
import { Activity, Blocking } from "./Blocking";
import { Connections } from "./Connections";
import { PoolTable } from "./PoolTable";
import { Steering } from "./Steering";
import type {
  ActivityResponse,
  BlockingResponse,
  Client,
  ConnectionsResponse,
  MetricsResponse,
  PoolsResponse,
  UpstreamsResponse,
} from "./types";
import { Upstreams } from "./Upstreams";

const REFUSED = "Pools, their connections and who waits for whom are the same for all projects.";

export default function PoolsPage() {
  const { isOperator } = useSession();
  const pools = useServerApi<PoolsResponse>("/database/connection-pool", { every: 1, on: ["pool"] });
  const blocking = useServerApi<BlockingResponse>("/database/monitoring/blocking", { every: 2 });
  const databases = useMemo(
    () => [...new Set((pools.data?.pools ?? []).map((row) => row.pool.database))].sort(),
    [pools.data],
  );
  const isAnyPaused = pools.data?.pools.some((row) => row.paused === true) ?? false;
  return (
    <>
      <PageHead
        title="Pools"
        lead="How full the pools are, who is connected, and who holds others up."
        actions={isOperator && <Steering databases={databases} isAnyPaused={isAnyPaused} />}
      />
      <div className="stack">
        <Now />
        <Tabs
          label="Pools and connections"
          tabs={[
            {
              id: "pools",
              title: "Pools",
              count: pools.data?.pools.length,
              content: () => <PoolsTab pools={pools} />,
            },
            { id: "connections", title: "Connections", content: () => <ConnectionsTab /> },
            {
              id: "blocking",
              title: "Blocking",
              count: blocking.data?.chains.length,
              content: () => <BlockingTab blocking={blocking} />,
            },
          ]}
        />
      </div>
    </>
  );
}

/** The figures of the chosen project, each second. */
function Now() {
  const pool = useFigures()?.pool;
  const trail = useTrail().slice(-300);
  const share = pool && pool.max > 0 ? pool.active / pool.max : null;
  return (
    <Stats>
      <Stat
        label="In use"
        figure={ratioFigure(share)}
        tone={share !== null && share >= 0.9 ? "bad" : "plain"}
        note={pool ? `${pool.active} of ${pool.max} connections` : "nothing told yet"}
        trend={trail.map((point) => point.pool_active)}
        color="series-2"
      />
      <Stat
        label="Waiting"
        figure={countFigure(pool?.waiting)}
        tone={pool && pool.waiting > 0 ? "bad" : "plain"}
        note="callers without a connection"
        trend={trail.map((point) => point.pool_waiting)}
        color="series-4"
      />
      <Stat label="Idle" figure={countFigure(pool?.idle)} note="open and free" />
      <Stat label="Open" figure={countFigure(pool?.total)} note={pool ? `at most ${pool.max}` : undefined} />
    </Stats>
  );
}

function PoolsTab({ pools }: { pools: ReturnType<typeof useServerApi<PoolsResponse>> }) {
  const metrics = useServerApi<MetricsResponse>("/database/connections/metrics", { every: 1 });
  const upstreams = useServerApi<UpstreamsResponse>("/database/circuit-breaker", { every: 2, on: ["pool"] });
  return (
    <div className="stack">
      <Panel title="Pools" note="by server, database and role" flush>
        <Guarded state={pools} what="Pools" refused={REFUSED} serverOnly height={240}>
          {(data) => <PoolTable pools={data.pools} figures={metrics.data?.pools ?? []} />}
        </Guarded>
      </Panel>
      <Panel title="Circuit breakers" note="one for each server">
        <Guarded state={upstreams} what="Circuit breakers" refused={REFUSED} serverOnly height={120}>
          {(data) => <Upstreams upstreams={data.upstreams} />}
        </Guarded>
      </Panel>
    </div>
  );
}

function ConnectionsTab() {
  const { isOperator } = useSession();
  // Clients come and go: whatever is shown of them is read anew.
  const clients = usePages<ConnectionsResponse, Client>(
    isOperator ? "/database/connections?limit=1000" : null,
    {
      rowsOf: (answer) => answer.clients,
      keyOf: (client) => String(client.id),
      ranked: true,
      every: 1,
      on: ["pool"],
    },
  );
  return (
    <Panel title="Connections" flush>
      <Guarded state={clients.state} what="Connections" refused={REFUSED} serverOnly height={320}>
        {(read) => <Connections clients={read} pages={clients} />}
      </Guarded>
    </Panel>
  );
}

function BlockingTab({ blocking }: { blocking: ReturnType<typeof useServerApi<BlockingResponse>> }) {
  const activity = useServerApi<ActivityResponse>("/database/monitoring/activity", { every: 2 });
  return (
    <div className="stack">
      <Panel title="Who holds others up">
        <Guarded state={blocking} what="Blocking chains" refused={REFUSED} serverOnly height={160}>
          {(data) => <Blocking chains={data.chains} />}
        </Guarded>
      </Panel>
      <Panel title="Sessions at the servers" note="those in the oldest transactions" flush>
        <Guarded state={activity} what="Sessions" refused={REFUSED} serverOnly height={240}>
          {(data) => <Activity sessions={data.sessions} />}
        </Guarded>
      </Panel>
    </div>
  );
}
