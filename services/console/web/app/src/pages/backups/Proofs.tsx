// Restore tests: when, how thorough, what came of them, and each check with what it found.
import { type ReactNode, useState } from "react";
import { useApi } from "@/api";
import { count, dayClock, duration, words } from "@/format";
import { Badge, Button, type Column, Dialog, Empty, Loaded, State, Table } from "@/ui";
import styles from "./Backups.module.css";
import { lsnText } from "./recovery";
import type { Check, Proof, ProofResponse } from "./types";

const columns = (show: (proof: Proof) => void): Column<Proof>[] => [
  {
    key: "started",
    title: "When",
    lead: true,
    cell: (row) => dayClock(row.started_unix_ms),
    sort: (row) => row.started_unix_ms,
  },
  { key: "state", title: "Outcome", cell: (row) => <State state={row.state} />, sort: (row) => row.state },
  { key: "depth", title: "How thorough", cell: (row) => words(row.depth), sort: (row) => row.depth },
  {
    key: "recovery_ms",
    title: "Recovery took",
    help: "From the first byte read until the server took queries",
    cell: (row) => duration(row.recovery_ms || null),
    sort: (row) => row.recovery_ms,
    numeric: true,
  },
  { key: "repository", title: "From", cell: (row) => row.repository, sort: (row) => row.repository },
  { key: "lsn", title: "Up to", cell: (row) => <code>{lsnText(row.recovered_to)}</code>, wideOnly: true },
  {
    key: "reason",
    title: "Why not",
    cell: (row) =>
      row.reason ? <span className={styles.bad}>{row.reason}</span> : <span className="muted">–</span>,
  },
  {
    key: "show",
    title: "",
    cell: (row) => (
      <Button
        small
        look="quiet"
        aria-label={`Evidence of the test of ${dayClock(row.started_unix_ms)}`}
        onClick={() => show(row)}
      >
        Evidence
      </Button>
    ),
  },
];

export function Proofs({ proofs, end }: { proofs: readonly Proof[]; end: ReactNode }) {
  const [shown, setShown] = useState<Proof | null>(null);
  return (
    <>
      <Table
        label="Restore tests, the newest first"
        columns={columns(setShown)}
        rows={proofs}
        rowKey={(row) => row.id}
        initialSort="-started"
        sortName="proofs"
        cardHeight={180}
        end={end}
        empty={
          <Empty title="No restore was tested yet" icon="backups">
            A backup that nobody has restored is a hope. Choose one in the list and test it.
          </Empty>
        }
      />
      <Evidence proof={shown} onClose={() => setShown(null)} />
    </>
  );
}

function Evidence({ proof, onClose }: { proof: Proof | null; onClose: () => void }) {
  const state = useApi<ProofResponse>(proof ? `/database/backup/proofs/${proof.id}` : null);
  return (
    <Dialog
      title={proof ? `Restore test of ${dayClock(proof.started_unix_ms)}` : ""}
      isOpen={proof !== null}
      onClose={onClose}
      wide
    >
      <Loaded state={state} what="The evidence" height={200}>
        {(data) => (
          <ul className={styles.checks}>
            {data.checks.map((check) => (
              <li key={check.name}>
                <CheckLine check={check} />
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Dialog>
  );
}

function CheckLine({ check }: { check: Check }) {
  return (
    <>
      <div className="row">
        <Badge tone={check.passed ? "good" : "bad"} dot>
          {check.passed ? "passed" : "failed"}
        </Badge>
        <b className={styles.checkName}>{words(check.name)}</b>
        <span className="muted">
          {count(check.examined)} looked at, {duration(check.duration_ms)}
        </span>
      </div>
      {[...check.findings, ...check.notes].map((line, index) => (
        <p key={line} className={index < check.findings.length ? styles.bad : styles.small}>
          {line}
        </p>
      ))}
    </>
  );
}
