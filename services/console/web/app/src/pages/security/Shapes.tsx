// Shapes of statements: those that wait for a person, and those that are known. Approved and forgotten here.
import { useDeferredValue, useState } from "react";
import { api, pathWith, useAction, useProject } from "@/api";
import { usePages } from "@/api/usePages";
import { count } from "@/format";
import { Link, useQueryState } from "@/router";
import {
  Badge,
  Button,
  type Column,
  Confirm,
  Empty,
  Filters,
  Loaded,
  More,
  Panel,
  SearchField,
  Segments,
  Sql,
  Table,
  Time,
} from "@/ui";
import { useWhyNot } from "../parts";
import { keyOf, scopeWords } from "./firewall";
import styles from "./Security.module.css";
import { FIREWALL, type FirewallShape, type FirewallShapesResponse, OVERVIEW, SHAPES } from "./types";

const STATES = [
  { value: "queued", title: "Waiting" },
  { value: "learned", title: "Learned" },
  { value: "approved", title: "Approved" },
];

const NOTES: Record<string, string> = {
  queued: "seen, and nobody has judged them",
  learned: "known, as long as they do not look suspicious",
  approved: "a person lets them through",
};

interface Steps {
  approve: (shape: FirewallShape) => void;
  forget: (shape: FirewallShape) => void;
  whyNot: string | undefined;
}

export function Shapes() {
  const project = useProject();
  const whyNot = useWhyNot(true);
  const [stateText, setState] = useQueryState("shapes", "queued");
  const [search, setSearch] = useQueryState("text");
  const state = NOTES[stateText] ? stateText : "queued";
  const settled = useDeferredValue(search.trim());
  const [asked, setAsked] = useState<FirewallShape | null>(null);
  const pages = usePages<FirewallShapesResponse, FirewallShape>(
    pathWith(SHAPES, { project, state, search: settled, limit: 100 }),
    {
      rowsOf: (answer) => answer.shapes,
      keyOf: (shape) => `${keyOf(shape.scope)}/${shape.id}`,
      every: 3,
    },
  );
  const changed = { refreshes: [FIREWALL, OVERVIEW] };
  const approve = useAction((shape: FirewallShape) => judge("approve", project, shape), {
    done: "The shape is let through.",
    ...changed,
    onDone: () => setAsked(null),
  });
  const forget = useAction((shape: FirewallShape) => judge("forget", project, shape), {
    done: "The shape is forgotten.",
    ...changed,
  });
  const steps: Steps = {
    // What looks harmless needs no second word.
    approve: (shape) => (shape.score === 0 ? void approve.run(shape) : setAsked(shape)),
    forget: (shape) => void forget.run(shape),
    whyNot,
  };
  return (
    <Panel
      title="Shapes of statements"
      note={NOTES[state]}
      flush
      actions={
        <Filters label="Filter shapes">
          <Segments label="Which shapes" value={state} onChange={setState} choices={STATES} />
          <SearchField
            label="Find shapes"
            placeholder="Part of a statement"
            value={search}
            onChange={setSearch}
          />
        </Filters>
      }
    >
      <Loaded state={pages.state} what="Shapes" height={240}>
        {(shapes) => (
          <>
            <Table
              label="Shapes that the firewall has"
              columns={columns(steps, state)}
              rows={shapes}
              rowKey={(shape) => `${keyOf(shape.scope)}/${shape.id}`}
              sortName="shape"
              rowHeight={72}
              cardHeight={260}
              empty={<Nothing state={state} isSearched={settled !== ""} />}
            />
            <More pages={pages} shown={shapes.length} />
          </>
        )}
      </Loaded>
      <Confirm
        title="Let this shape through?"
        isOpen={asked !== null}
        onClose={() => setAsked(null)}
        onConfirm={() => asked && approve.run(asked)}
        verb="Let it through"
        isBusy={approve.isBusy}
      >
        {asked && (
          <div className="stack">
            <p>
              It looks suspicious: score {asked.score}
              {asked.rules.length > 0 && `, ${asked.rules.join(", ")}`}. From now on {scopeWords(asked.scope)}{" "}
              may send it, up to this score.
            </p>
            <Sql sql={asked.text} />
          </div>
        )}
      </Confirm>
    </Panel>
  );
}

const judge = (verb: "approve" | "forget", project: string, shape: FirewallShape) =>
  api.post(pathWith(`${SHAPES}/${verb}`, { project }), {
    database: shape.scope?.database ?? "",
    user: shape.scope?.user ?? "",
    ids: [shape.id],
  });

const columns = ({ approve, forget, whyNot }: Steps, state: string): Column<FirewallShape>[] => [
  {
    key: "text",
    title: "Statement",
    lead: true,
    cell: (shape) => (
      <div className={styles.shape}>
        <Link to={`/queries/${shape.fingerprint}`} className={styles.statement} title={shape.text}>
          {shape.text ? <Sql sql={shape.text} /> : <code>{shape.fingerprint}</code>}
        </Link>
        <small>{scopeWords(shape.scope)}</small>
      </div>
    ),
  },
  {
    key: "score",
    title: "Looks",
    width: "180px",
    whole: true,
    cell: (shape) => <Looks shape={shape} />,
    sort: (shape) => shape.score,
  },
  {
    key: "count",
    title: "Seen",
    width: "88px",
    numeric: true,
    cell: (shape) => count(shape.count),
    sort: (shape) => shape.count,
  },
  {
    key: "last_seen_unix_ms",
    title: state === "approved" ? "Approved" : "Last seen",
    width: "150px",
    cell: (shape) =>
      state === "approved" ? (
        <span className={styles.two}>
          <Time at={shape.approved_unix_ms} />
          {shape.approved_by && <small>by {shape.approved_by}</small>}
        </span>
      ) : (
        <Time at={shape.last_seen_unix_ms} />
      ),
    sort: (shape) => (state === "approved" ? shape.approved_unix_ms : shape.last_seen_unix_ms),
  },
  {
    key: "buttons",
    title: "",
    width: "190px",
    whole: true,
    cell: (shape) => (
      <span className="row">
        {state !== "approved" && (
          <Button small disabled={whyNot !== undefined} title={whyNot} onClick={() => approve(shape)}>
            Approve
          </Button>
        )}
        <Button
          small
          look="quiet"
          disabled={whyNot !== undefined}
          title={whyNot}
          onClick={() => forget(shape)}
        >
          Forget
        </Button>
      </span>
    ),
  },
];

/** From this score on a statement is suspicious, and dangerous. */
const SUSPICIOUS = 30;
const DANGEROUS = 50;

function Looks({ shape }: { shape: FirewallShape }) {
  if (shape.score < SUSPICIOUS) return <Badge tone="good">harmless</Badge>;
  return (
    <span className={styles.two}>
      <Badge tone={shape.score >= DANGEROUS ? "bad" : "warn"}>
        {shape.score >= DANGEROUS ? "dangerous" : "suspicious"} {shape.score}
      </Badge>
      {shape.rules.length > 0 && <small>{shape.rules.join(", ")}</small>}
    </span>
  );
}

function Nothing({ state, isSearched }: { state: string; isSearched: boolean }) {
  if (isSearched) return <Empty title="No shape has this in it" icon="search" />;
  if (state === "queued")
    return (
      <Empty title="Nothing waits" icon="check">
        Shapes that the firewall does not know wait here, while it learns or monitors.
      </Empty>
    );
  return (
    <Empty title={state === "learned" ? "Nothing is learned yet" : "Nothing is approved yet"} icon="security">
      In the mode Learn, shapes that look harmless are learned by themselves.
    </Empty>
  );
}
