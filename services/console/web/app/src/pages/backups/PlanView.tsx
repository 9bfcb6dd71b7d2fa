// What a restore would do, in words and figures, and the command that does it.
import type { ReactNode } from "react";
import { bytes, dayClock, duration, words } from "@/format";
import { Badge, Code, State } from "@/ui";
import styles from "./Restore.module.css";
import { lsnText } from "./recovery";
import type { Commit, RestorePlan } from "./types";

export function PlanView({ planned: { plan, refuses, command } }: { planned: RestorePlan }) {
  const { backup, last_commit, first_missing, obstacles } = plan;
  return (
    <div className="stack" aria-live="polite">
      {obstacles.length > 0 && (
        <ul className={styles.obstacles}>
          {obstacles.map((one) => (
            <li key={`${one.slug}/${one.detail}`}>
              <Badge tone={one.can_be_forced ? "warn" : "bad"}>
                {one.can_be_forced ? "can be overridden" : "in the way"}
              </Badge>{" "}
              {one.detail} <a href={`/docs/errors#${one.slug}`}>{one.slug}</a>
            </li>
          ))}
        </ul>
      )}
      <dl className={styles.plan}>
        {backup && (
          <Fact name="Begins with">
            the {words(backup.kind)} backup of {dayClock(backup.ended_unix_ms)} <State state={backup.state} />
          </Fact>
        )}
        <Fact name="Replays log">
          from <code>{lsnText(plan.wal_from)}</code> to <code>{lsnText(plan.wal_to)}</code>
        </Fact>
        <Fact name="Reads">{bytes(plan.read_bytes)}</Fact>
        <Fact name="Writes">
          {bytes(plan.write_bytes)}
          {plan.kept_bytes > 0 && `, and leaves ${bytes(plan.kept_bytes)} as they are`}
        </Fact>
        <Fact name="Takes about">
          {plan.duration_ms_estimate > 0
            ? duration(plan.duration_ms_estimate)
            : "not known before the first restore test"}
        </Fact>
        {last_commit && (
          <Fact name="The last commit in it">
            <CommitLine commit={last_commit} />
          </Fact>
        )}
        {first_missing.length > 0 && (
          <Fact name="Missing afterwards, from the first">
            <ul className={styles.missingCommits}>
              {first_missing.slice(0, 5).map((commit) => (
                <li key={commit.xid}>
                  <CommitLine commit={commit} />
                </li>
              ))}
            </ul>
          </Fact>
        )}
      </dl>
      <section>
        <h3 className={styles.commandTitle}>
          {refuses ? "The command, once nothing is in the way" : "The command"}
        </h3>
        <Code code={command} language="shell" label="The command that restores" />
        <p className={styles.commandNote}>
          Nothing was restored. Type it where <code>weir</code> reaches the backup service; it shows how far
          it is.
        </p>
      </section>
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function CommitLine({ commit }: { commit: Commit }) {
  const tables = commit.changes.map((change) => change.table);
  return (
    <>
      {dayClock(commit.committed_unix_ms)}, transaction {commit.xid}
      {tables.length > 0 && (
        <>
          : <code>{tables.slice(0, 2).join(", ")}</code>
          {tables.length > 2 && ` and ${tables.length - 2} more`}
        </>
      )}
    </>
  );
}
