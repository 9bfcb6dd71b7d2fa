// What the console says of pools, of their connections, and of sessions that wait for each other.
import type { Told } from "@/api/types";

export type { ActivityResponse, ServerSession } from "@/api/types";

export type Breaker = Told<"console.Breaker">;
export type PoolNow = Told<"console.PoolNow">;
export type PoolsResponse = Told<"console.Pools">;
/** What was done in one pool since the start of the gateway, and who waits now. */
export type PoolUse = Told<"console.PoolUse">;
export type MetricsResponse = Told<"console.PoolMetrics">;
export type Upstream = Told<"console.UpstreamBreaker">;
export type UpstreamsResponse = Told<"console.Breakers">;
/** A client of the PostgreSQL door. */
export type Client = Told<"console.Client">;
/** A connection to PostgreSQL. */
export type ServerConnection = Told<"console.ServerConnection">;
export type ConnectionsResponse = Told<"console.Connections">;
export type BlockedSession = Told<"monitor.BlockedSession">;
export type BlockingChain = Told<"monitor.BlockingChain">;
export type BlockingResponse = Told<"monitor.ListBlockingResponse">;

/** What the gateway tells of a server in `pool.state`. */
export interface UpstreamHealth {
  upstream: string;
  breaker: Breaker;
  since_unix_ms: number;
  opened_total: number;
  last_error: string;
  last_error_unix_ms: number;
}
