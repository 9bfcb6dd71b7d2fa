// A page that shows how a database fares, and changes what is advised. About all that the package can do.
import { Problem, useDatabaseOptimization, useLiveEvents, WeirProvider } from "@weir/react";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

/** In an application: whatever the session of its user says. Asked again when the console refuses the last one. */
const tokenOf = () => sessionStorage.getItem("weir-token") ?? "";

const ms = (value: number | null | undefined) => (typeof value === "number" ? `${value.toFixed(1)} ms` : "–");

function Overview() {
  const weir = useDatabaseOptimization();
  const [said, setSaid] = useState("");
  const change = (work: Promise<unknown>) =>
    work.then(
      () => setSaid("Done."),
      (thrown: unknown) => setSaid(thrown instanceof Problem ? thrown.message : "It failed."),
    );

  if (weir.isLoading) return <p>Loading…</p>;
  return (
    <>
      <p role="status">
        {weir.connection.phase === "live" ? "Live" : `Not live: ${weir.connection.phase}`} {said}
      </p>
      {weir.problem && <p role="alert">{weir.problem.message}</p>}
      <p>
        {weir.health?.state}: {weir.health?.summary}
      </p>
      <p>
        {weir.figures?.queries_per_second?.toFixed(0) ?? "–"} statements/s, 95 of 100 within{" "}
        {ms(weir.figures?.p95_ms)}
      </p>

      <h2>Most time spent</h2>
      <ol>
        {weir.queries.map((query) => (
          <li key={`${query.database}/${query.fingerprint}`}>
            <code>{query.query}</code> {query.calls} calls, p95 {ms(query.p95_ms)}
          </li>
        ))}
      </ol>

      <h2>Alerts</h2>
      <ul>
        {weir.alerts.map((alert) => (
          <li key={alert.id}>
            {alert.severity}: {alert.summary}{" "}
            {alert.acknowledged_by || (
              <button type="button" onClick={() => change(weir.acknowledge(alert.id))}>
                I look after it
              </button>
            )}
          </li>
        ))}
      </ul>

      <h2>Advice</h2>
      <ul>
        {weir.recommendations.map((advice) => (
          <li key={advice.id}>
            {advice.summary} ({advice.current ?? "unset"} → {advice.proposed ?? "unset"}){" "}
            {advice.state === "open" && advice.applicable && (
              <button type="button" onClick={() => change(weir.apply(advice.id))}>
                Apply
              </button>
            )}
            {(advice.state === "applied" || advice.state === "pending_restart") && (
              <button type="button" onClick={() => change(weir.revert(advice.id))}>
                Take back
              </button>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}

/** The newest events, as they come. */
function Ticker() {
  const [lines, setLines] = useState<{ key: number; text: string }[]>([]);
  useLiveEvents(["alert", "job", "pool", "gap"], (event) =>
    setLines((before) => [{ key: (before[0]?.key ?? 0) + 1, text: event.kind }, ...before].slice(0, 10)),
  );
  return (
    <ul aria-label="Events">
      {lines.map((line) => (
        <li key={line.key}>{line.text}</li>
      ))}
    </ul>
  );
}

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <WeirProvider token={tokenOf}>
        <h1>Database</h1>
        <Overview />
        <Ticker />
      </WeirProvider>
    </StrictMode>,
  );
}
