// Backups: how far one can go back, what is kept where, what was proven, what would be lost now, and how to restore.
import { useState } from "react";
import { usePages, useSession } from "@/api";
import { bytesFigure, durationFigure, NONE, relative } from "@/format";
import { Empty, More, PageHead, Panel, Stat, Stats, Tabs, useNow } from "@/ui";
import { Guarded, isUnderWay, JobCard, TURNS, useProgress, useServerApi, useWhyNot } from "../parts";
import { Create } from "./Create";
import { Details } from "./Details";
import { List } from "./List";
import { Log, Repositories } from "./Log";
import { Proofs } from "./Proofs";
import { Restore, RestoreRefused } from "./Restore";
import { chainOf, reachOf } from "./recovery";
import { Timeline } from "./Timeline";
import type { Backup, BackupsResponse, Proof, ProofsResponse, StatusResponse } from "./types";

const REFUSED = "Backups of the cluster hold every project.";
const NO_BACKUPS: readonly Backup[] = [];

export default function BackupsPage() {
  const whyNotAll = useWhyNot(true);
  const status = useServerApi<StatusResponse>("/database/backup/status", { every: 2, on: TURNS });
  const list = usePages<BackupsResponse, Backup>("/database/backups?limit=200", {
    rowsOf: (answer) => answer.backups,
    keyOf: (backup) => backup.id,
    ranked: true,
    every: 15,
    on: TURNS,
  });
  const [chosen, choose] = useState<string | null>(null);
  const backups = list.state.data ?? NO_BACKUPS;
  const picked = backups.find((one) => one.id === chosen);
  return (
    <>
      <PageHead
        title="Backups"
        lead="How far one can go back, and the proof that one can."
        actions={<Create repositories={status.data?.repositories ?? []} />}
      />
      <div className="stack">
        {status.data?.enabled && <Glance status={status.data} />}
        {status.data && <Running status={status.data} />}
        <Panel title="Where one can go back to">
          <Guarded state={status} what="How far one can go back" refused={REFUSED} serverOnly height={200}>
            {(data) => <Reach status={data} backups={backups} chosen={chosen} onChoose={choose} />}
          </Guarded>
        </Panel>
        <Tabs
          label="Parts of backups"
          tabs={[
            {
              id: "list",
              title: "Backups",
              count: list.state.data?.length,
              content: () => (
                <Panel
                  title="Catalogue"
                  note={whyNotAll && !status.data ? "exports of your project" : undefined}
                  flush
                >
                  <Guarded state={list.state} what="Backups" refused={REFUSED} height={280}>
                    {(read) => (
                      <List
                        backups={read}
                        chosen={chosen}
                        onChoose={choose}
                        end={<More pages={list} shown={read.length} />}
                      />
                    )}
                  </Guarded>
                </Panel>
              ),
            },
            {
              id: "restore",
              title: "Restore",
              content: () => <RestoreTab status={status.data} backups={backups} />,
            },
            { id: "proofs", title: "Restore tests", content: () => <ProofsTab /> },
            { id: "log", title: "Log and repositories", content: () => <LogTab status={status} /> },
          ]}
        />
      </div>
      <Details
        id={chosen}
        chain={picked ? chainOf(backups, picked) : NO_BACKUPS}
        onClose={() => choose(null)}
      />
    </>
  );
}

function Glance({ status }: { status: StatusResponse }) {
  const now = useNow();
  const last = status.last_backups[0];
  const proof = status.last_proofs.find((one) => one.state === "proven");
  const reach = reachOf(status.windows);
  const stored = status.repositories.reduce((sum, one) => sum + one.stored_bytes, 0);
  return (
    <Stats>
      <Stat
        label="Recoverable"
        figure={reach ? durationFigure(now - reach.fromUnixMs) : NONE}
        tone={reach ? "plain" : "bad"}
        note={reach ? `back, up to ${relative(reach.toUnixMs, now)}` : "nowhere yet"}
      />
      <Stat
        label="Would be lost now"
        figure={durationFigure(status.exposure_ms)}
        tone={status.exposure_ms === null || status.exposure_ms > 60_000 ? "bad" : "good"}
        note={status.exposure_ms === null ? "the log does not come in" : "of commits"}
      />
      <Stat
        label="Last backup"
        figure={last ? ageOf(now - last.ended_unix_ms) : NONE}
        note={last ? `ago, ${last.kind}` : "none yet"}
        tone={last ? "plain" : "bad"}
      />
      <Stat
        label="Last proof"
        figure={proof ? ageOf(now - proof.ended_unix_ms) : NONE}
        tone={proof ? "plain" : "warn"}
        note={proof ? "ago a restore was tested" : "no restore was tested"}
      />
      <Stat
        label="Stored"
        figure={bytesFigure(stored)}
        note={`in ${status.repositories.length} repositories`}
      />
    </Stats>
  );
}

const ageOf = (ms: number) => durationFigure(Math.max(0, ms));

function Running({ status }: { status: StatusResponse }) {
  const jobs = useProgress(status.running).filter(isUnderWay);
  return (
    <>
      {status.missing.length > 0 && <Panel title="Not everything is known">{status.missing.join(" ")}</Panel>}
      {jobs.length > 0 && (
        <Panel title="Under way">
          <div className="stack">
            {jobs.map((job) => (
              <JobCard
                key={job.id}
                job={job}
                unit="bytes"
                ifStopped="What is stored already is used by the next attempt; nothing half done is ever listed."
              />
            ))}
          </div>
        </Panel>
      )}
    </>
  );
}

interface ReachProps {
  status: StatusResponse;
  backups: readonly Backup[];
  chosen: string | null;
  onChoose: (id: string) => void;
}

function Reach({ status, backups, chosen, onChoose }: ReachProps) {
  if (!status.enabled) {
    return (
      <Empty title="Backups are off" icon="backups">
        They need a place to be kept: name one in <code>backup.repositories</code>, and see that{" "}
        <code>backup.enabled</code> is not false.
      </Empty>
    );
  }
  return (
    <Timeline
      windows={status.windows}
      backups={backups}
      repositories={status.repositories}
      chosen={chosen}
      onChoose={onChoose}
    />
  );
}

function RestoreTab({ status, backups }: { status: StatusResponse | undefined; backups: readonly Backup[] }) {
  if (!status) return <RestoreRefused />;
  return <Restore windows={status.windows} repositories={status.repositories} backups={backups} />;
}

function ProofsTab() {
  const { isOperator } = useSession();
  const proofs = usePages<ProofsResponse, Proof>(isOperator ? "/database/backup/proofs?limit=200" : null, {
    rowsOf: (answer) => answer.proofs,
    keyOf: (proof) => proof.id,
    every: 10,
    on: TURNS,
  });
  return (
    <Panel title="Restore tests" note="restored on a scratch server, recovered, checked" flush>
      <Guarded state={proofs.state} what="Restore tests" refused={REFUSED} serverOnly height={280}>
        {(read) => <Proofs proofs={read} end={<More pages={proofs} shown={read.length} />} />}
      </Guarded>
    </Panel>
  );
}

function LogTab({ status }: { status: ReturnType<typeof useServerApi<StatusResponse>> }) {
  return (
    <div className="stack">
      <Panel title="Log">
        <Guarded state={status} what="The log" refused={REFUSED} serverOnly height={160}>
          {(data) => <Log clusters={data.wal} />}
        </Guarded>
      </Panel>
      <Panel title="Repositories">
        <Guarded state={status} what="Repositories" refused={REFUSED} serverOnly height={160}>
          {(data) => <Repositories repositories={data.repositories} />}
        </Guarded>
      </Panel>
    </div>
  );
}
