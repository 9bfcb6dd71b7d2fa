// One backup: what it is, what proves it, what it holds; and the buttons that prove and keep it.
import { type ReactNode, useState } from "react";
import { api, useAction, useApi } from "@/api";
import { bytes, count, dayClock, duration, words } from "@/format";
import {
  Button,
  type Column,
  Confirm,
  CopyButton,
  Dialog,
  Empty,
  Loaded,
  SelectField,
  State,
  Table,
} from "@/ui";
import { useWhyNot } from "../parts";
import styles from "./Backups.module.css";
import { keptUntil } from "./List";
import type { Backup, BackupResponse, Proof } from "./types";

const REFRESHES = ["/database/backup", "/database/jobs"];

export function Details({
  id,
  chain,
  onClose,
}: {
  id: string | null;
  chain: readonly Backup[];
  onClose: () => void;
}) {
  const state = useApi<BackupResponse>(id === null ? null : `/database/backups/${id}`, {
    on: ["job.succeeded"],
  });
  const backup = state.data?.backup;
  return (
    <Dialog
      title={backup ? `Backup of ${dayClock(backup.ended_unix_ms)}` : "Backup"}
      isOpen={id !== null}
      onClose={onClose}
      wide
      actions={backup && <Steps backup={backup} />}
    >
      <Loaded state={state} what="The backup" height={320}>
        {(data) =>
          data.backup ? (
            <About backup={data.backup} proofs={data.proofs} tables={data.tables} chain={chain} />
          ) : (
            <Empty title="It is not there any more" />
          )
        }
      </Loaded>
    </Dialog>
  );
}

function About({
  backup,
  proofs,
  tables,
  chain,
}: BackupResponse & { backup: Backup; chain: readonly Backup[] }) {
  return (
    <div className="stack">
      <div className="row">
        <State state={backup.state} />
        <span>{backup.project ? `export of ${backup.project}` : words(backup.kind)}</span>
        <code className={styles.id}>{backup.id}</code>
        <CopyButton text={backup.id} label="Copy the id" />
      </div>
      {backup.note && <p>{backup.note}</p>}
      <dl className={styles.facts}>
        <Fact name="Taken">
          {dayClock(backup.started_unix_ms)}, in {duration(backup.ended_unix_ms - backup.started_unix_ms)}
        </Fact>
        <Fact name="Holds">{bytes(backup.source_bytes)}</Fact>
        <Fact name="Added to the repository">
          {bytes(backup.stored_bytes)} in {count(backup.stored_objects)} objects
        </Fact>
        <Fact name="In">{backup.repositories.join(", ")}</Fact>
        <Fact name="Kept until">{keptUntil(backup)}</Fact>
        <Fact name="Compressed">{words(backup.compression)}</Fact>
        <Fact name="Encrypted">{encryptionOf(backup)}</Fact>
        {chain.length > 0 && (
          <Fact name="Shares data with">{chain.map((one) => dayClock(one.ended_unix_ms)).join(" ← ")}</Fact>
        )}
      </dl>
      <section>
        <h3 className={styles.subtitle}>Restore tests</h3>
        {proofs.length === 0 ? (
          <p className="muted">Nobody has restored it yet.</p>
        ) : (
          <ul className={styles.proofs}>
            {proofs.map((proof) => (
              <li key={proof.id}>
                <ProofLine proof={proof} />
              </li>
            ))}
          </ul>
        )}
      </section>
      {tables.length > 0 && (
        <section>
          <h3 className={styles.subtitle}>What it holds</h3>
          <Table
            label="Tables in the backup"
            columns={TABLE_COLUMNS}
            rows={tables}
            rowKey={(row) => `${row.database}/${row.table}`}
            initialSort="-bytes"
            sortName="held"
            maxHeight="300px"
          />
        </section>
      )}
    </div>
  );
}

const TABLE_COLUMNS: Column<BackupResponse["tables"][number]>[] = [
  { key: "table", title: "Table", cell: (row) => row.table, sort: (row) => row.table },
  {
    key: "database",
    title: "Database",
    cell: (row) => row.database,
    sort: (row) => row.database,
    width: "160px",
  },
  {
    key: "rows",
    title: "Rows",
    cell: (row) => count(row.rows),
    sort: (row) => row.rows,
    numeric: true,
    width: "120px",
  },
  {
    key: "bytes",
    title: "Size",
    cell: (row) => bytes(row.bytes),
    sort: (row) => row.bytes,
    numeric: true,
    width: "120px",
  },
];

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const encryptionOf = ({ encryption }: Backup): string => {
  if (!encryption || encryption.scheme === "none") return "no";
  return encryption.scheme === "project" ? "to the project's own recipients" : "with the repository's key";
};

function ProofLine({ proof }: { proof: Proof }) {
  return (
    <>
      <State state={proof.state} /> {dayClock(proof.started_unix_ms)}, {words(proof.depth)}, from{" "}
      {proof.repository}
      {proof.recovery_ms > 0 && `: took queries after ${duration(proof.recovery_ms)}`}
      {proof.reason && <p className={styles.bad}>{proof.reason}</p>}
    </>
  );
}

const DEPTHS = [
  { value: "", title: "As the settings say" },
  { value: "changed", title: "What changed since the last test" },
  { value: "full", title: "Everything, each index against its table" },
];

function Steps({ backup }: { backup: Backup }) {
  const [isAsking, setAsking] = useState(false);
  const [depth, setDepth] = useState("");
  const whyNot = useWhyNot(true);
  const whyNotKeep = useWhyNot();
  const keep = useAction(() => api.put<Backup>(`/database/backups/${backup.id}`, { keep: !backup.keep }), {
    done: backup.keep ? "Retention decides again." : "Retention leaves it alone.",
    refreshes: REFRESHES,
  });
  const test = useAction(
    () => api.post(`/database/backup/${backup.id}/test-recovery`, depth === "" ? {} : { depth }),
    {
      done: "It is restored on a scratch server; how far it is stands at the top of the page.",
      refreshes: REFRESHES,
      onDone: () => setAsking(false),
    },
  );
  const isExport = backup.kind === "project";
  return (
    <>
      <Button
        isBusy={keep.isBusy}
        disabled={whyNotKeep !== undefined}
        title={whyNotKeep}
        onClick={() => keep.run()}
      >
        {backup.keep ? "Let retention decide" : "Keep it"}
      </Button>
      <Button
        look="primary"
        disabled={whyNot !== undefined || isExport}
        title={isExport ? "An export is proven by bringing it back: weir backup import." : whyNot}
        onClick={() => setAsking(true)}
      >
        Test recovery…
      </Button>
      <Confirm
        title="Test recovery?"
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        onConfirm={() => test.run()}
        verb="Test recovery"
        isBusy={test.isBusy}
      >
        <div className="stack">
          <p>
            The backup is restored into a scratch server on the backup service's machine (
            {bytes(backup.source_bytes)} of room), recovered and checked. The live server is not touched.
          </p>
          <SelectField label="How thorough" value={depth} onChange={setDepth} choices={DEPTHS} />
        </div>
      </Confirm>
    </>
  );
}
