// What the console says of pools, of their connections, and of sessions that wait for each other.
import type { Pool } from "@/api/types";

export type Breaker = "unspecified" | "closed" | "open" | "half_open";

export interface PoolNow {
  pool: Pool;
  /** null: the gateway does not say. */
  paused: boolean | null;
  breaker: Breaker;
}

export interface PoolsResponse {
  pools: PoolNow[];
}

/** What was done in one pool since the start of the gateway, and who waits now. */
export interface PoolFigures {
  database: string;
  role: string;
  mode: string;
  longest_wait_ms: number;
  /** Why callers wait. Empty: nobody does. */
  reason: string;
  statements_total: number;
  transactions_total: number;
  wait_ms_total: number;
}

export interface MetricsResponse {
  pools: PoolFigures[];
}

export interface Upstream {
  upstream: string;
  breaker: Breaker;
  /** `primary`, `standby` or `unknown`. */
  role: string | null;
  lag_ms: number | null;
  writes: boolean | null;
  reads: boolean | null;
}

/** What the gateway tells of a server in `pool.state`. */
export interface UpstreamHealth {
  upstream: string;
  breaker: Breaker;
  since_unix_ms: number;
  opened_total: number;
  last_error: string;
  last_error_unix_ms: number;
}

export interface UpstreamsResponse {
  upstreams: Upstream[];
}

/** A client of the PostgreSQL door. */
export interface Client {
  id: number;
  role: string;
  database: string;
  state: string;
  state_ms: number;
  address: string;
  application: string;
  project: string;
  mode: string;
  /** The server connection that it has. null: none. */
  server: number | null;
}

/** A connection to PostgreSQL. */
export interface ServerConnection {
  id: number;
  role: string;
  database: string;
  state: string;
  upstream: string;
  process_id: number | null;
  age_s: number;
  client: number | null;
  held_ms: number | null;
  application: string;
  prepared_statements: number;
}

export interface ConnectionsResponse {
  clients: Client[];
  servers: ServerConnection[];
  clients_total: number;
  servers_total: number;
}

export interface ServerSession {
  upstream: string;
  /** 0: a prepared transaction, which has no process. */
  pid: number;
  database: string;
  role: string;
  application: string;
  state: string;
  wait_event_type: string;
  wait_event: string;
  transaction_seconds: number;
  state_seconds: number;
  text: string;
  fingerprint: string;
  traceparent: string;
  address: string;
}

export interface BlockedSession {
  session: ServerSession | null;
  blocked_by: number[];
  blocked_seconds: number;
  depth: number;
}

export interface BlockingChain {
  root: ServerSession | null;
  is_circle: boolean;
  blocked_seconds: number;
  blocked: BlockedSession[];
}

export interface BlockingResponse {
  chains: BlockingChain[];
}

export interface ActivityResponse {
  sessions: ServerSession[];
}
