// The circuit breaker of each server: in which state, since when, and what it tripped over.
import { useState } from "react";
import { type BusEvent, useLive } from "@/api";
import { count, duration, words } from "@/format";
import { Badge, Empty, State, Time } from "@/ui";
import styles from "./Pools.module.css";
import type { Breaker, Upstream, UpstreamHealth } from "./types";

const MEANING: Record<Breaker, string> = {
  closed: "Everybody is let through.",
  open: "Everybody is refused at once; after a while one may try.",
  half_open: "One tries for all.",
  unspecified: "Nothing is known yet.",
};

/** What the gateway tells of its servers from time to time, and at once when a breaker turns. */
function useHealth(): ReadonlyMap<string, UpstreamHealth> {
  const [told, setTold] = useState<ReadonlyMap<string, UpstreamHealth>>(new Map());
  useLive(["pool.state"], ({ data }) => {
    const { upstreams } = (data as BusEvent<{ upstreams: UpstreamHealth[] }>).data;
    if (upstreams.length === 0) return;
    setTold((before) => new Map([...before, ...upstreams.map((one) => [one.upstream, one] as const)]));
  });
  return told;
}

export function Upstreams({ upstreams }: { upstreams: Upstream[] }) {
  const told = useHealth();
  if (upstreams.length === 0) {
    return (
      <Empty title="No server was reached yet">A breaker begins with the first connection to a server.</Empty>
    );
  }
  return (
    <ul className={styles.upstreams}>
      {upstreams.map((one) => (
        <Server key={one.upstream} server={one} told={told.get(one.upstream)} />
      ))}
    </ul>
  );
}

function Server({ server, told }: { server: Upstream; told: UpstreamHealth | undefined }) {
  const uses = [server.writes && "writes", server.reads && "reads"].filter(Boolean).join(" and ");
  return (
    <li className={styles.upstream} data-state={server.breaker}>
      <div className={styles.upstreamHead}>
        <b className={styles.upstreamName}>{server.upstream}</b>
        {server.role && <Badge>{server.role}</Badge>}
        <State state={server.breaker} title={`The breaker is ${words(server.breaker)}`} />
      </div>
      <p className={styles.small}>
        {MEANING[server.breaker]}{" "}
        {told && told.breaker === server.breaker && told.since_unix_ms > 0 && (
          <>
            It turned <Time at={told.since_unix_ms} />.
          </>
        )}
      </p>
      {(uses || server.lag_ms !== null) && (
        <p className={styles.small}>
          {uses && `Takes ${uses}.`}{" "}
          {server.lag_ms !== null && `${duration(server.lag_ms)} behind the primary.`}
        </p>
      )}
      {told && (
        <p className={styles.small}>
          Opened {count(told.opened_total)} {told.opened_total === 1 ? "time" : "times"}.{" "}
          {told.last_error === "" ? (
            "It could always be reached."
          ) : (
            <>
              Last error: <a href={`/docs/errors#${told.last_error}`}>{told.last_error}</a>,{" "}
              <Time at={told.last_error_unix_ms} />.
            </>
          )}
        </p>
      )}
    </li>
  );
}
