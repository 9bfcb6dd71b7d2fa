// Why a statement is cached or not: what its results depend on, what stands against it, what caching brings.
import { type FormEvent, useState } from "react";
import { api, pathWith, useAction, useProject } from "@/api";
import { duration, ratio, words } from "@/format";
import { Link } from "@/router";
import { Badge, Button, Empty, Panel, TextArea, TextField } from "@/ui";
import { useWhyNot } from "../parts";
import styles from "./Cache.module.css";
import { Mode } from "./Shapes";
import type { Explanation, Tag } from "./types";

export function Explain() {
  const project = useProject();
  const [sql, setSql] = useState("");
  const [database, setDatabase] = useState("");
  const [found, setFound] = useState<Explanation | null>(null);
  const whyNot = useWhyNot(true);
  const ask = useAction(
    () =>
      api.post<Explanation>(pathWith("/database/cache/explain", { project }), {
        sql,
        ...(database ? { database } : {}),
      }),
    { onDone: setFound },
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setFound(null);
    void ask.run();
  };
  return (
    <div className="grid">
      <Panel title="Why is it cached, or not?">
        <form className="stack" onSubmit={submit}>
          <TextArea
            label="Statement"
            code
            rows={7}
            value={sql}
            onChange={setSql}
            placeholder="SELECT * FROM orders WHERE id = $1"
            help="One statement, with $1, $2, … where parameters stand. Nothing of it is run."
          />
          <TextField
            label="Database"
            value={database}
            onChange={setDatabase}
            placeholder="the default"
            spellCheck={false}
          />
          <div>
            <Button
              look="primary"
              type="submit"
              isBusy={ask.isBusy}
              disabled={sql.trim() === "" || whyNot !== undefined}
              title={whyNot}
            >
              Explain
            </Button>
          </div>
        </form>
      </Panel>
      <Panel title="Answer">
        {found ? (
          <Answer found={found} />
        ) : (
          <Empty
            title={ask.problem ? "It could not be explained" : "Nothing asked yet"}
            icon={ask.problem ? "warning" : "cache"}
          >
            {ask.problem?.message ?? "Type a statement, or take one from the shapes."}
          </Empty>
        )}
      </Panel>
    </div>
  );
}

function Answer({ found }: { found: Explanation }) {
  return (
    <div className="stack" aria-live="polite">
      <div className="row">
        <Badge tone={found.cacheable ? "good" : "warn"} dot>
          {found.cacheable ? "can be cached" : "cannot be cached"}
        </Badge>
        {found.decision && <Mode mode={found.decision.mode} />}
        {found.fingerprint && <Link to={`/queries/${found.fingerprint}`}>To the query</Link>}
      </div>
      {found.decision?.reason && <p>{found.decision.reason}</p>}
      {found.refusals.length > 0 && (
        <ul className={styles.refusals}>
          {found.refusals.map((one) => (
            <li key={`${one.rule}/${one.detail}`}>
              <b>{words(one.rule)}</b>
              <p>{one.detail}</p>
            </li>
          ))}
        </ul>
      )}
      {found.tags.length > 0 && (
        <div>
          <h3 className={styles.subtitle}>Its results depend on</h3>
          <ul className={styles.tags}>
            {found.tags.map((tag) => (
              <li key={`${tag.relation}/${tag.columns.join()}`}>
                <TagWords tag={tag} />
              </li>
            ))}
          </ul>
        </div>
      )}
      {found.benefit && (
        <p className="muted">
          Measured: {ratio(found.benefit.hit_ratio)} hits, {duration(found.benefit.miss_us / 1000)} from
          PostgreSQL against {duration(found.benefit.hit_us / 1000)} from the cache;{" "}
          {duration(found.benefit.saved_us_per_second / 1000)}/s saved.
        </p>
      )}
    </div>
  );
}

function TagWords({ tag }: { tag: Tag }) {
  const key = tag.columns.map((column, index) => `${column} = ${shown(tag.values[index])}`).join(", ");
  return (
    <>
      <code>{tag.relation}</code>{" "}
      {key === "" ? <span className="muted">the whole table</span> : <code>{key}</code>}
      {tag.imprecise_reason && (
        <span className={styles.why}>no more precise because of: {words(tag.imprecise_reason)}</span>
      )}
    </>
  );
}

const shown = (value: unknown): string =>
  value === undefined || value === null ? "any" : JSON.stringify(value);
