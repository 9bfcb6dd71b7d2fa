// Shapes of statements, the most valuable first: what caching each costs and brings, and what is done about it.
import { type CacheShape, type CacheShapesResponse, pathWith, usePages, useProject } from "@/api";
import { bytes, count, duration, ratio, words } from "@/format";
import { Link, useQueryState } from "@/router";
import {
  Badge,
  Button,
  type Column,
  Empty,
  Filters,
  More,
  Panel,
  SearchField,
  Sql,
  Table,
  type Tone,
} from "@/ui";
import { Guarded, useWhyNot } from "../parts";
import styles from "./Cache.module.css";

const MODES: Record<string, Tone> = { auto: "info", always: "good", never: "plain", dry_run: "warn" };

export function Mode({ mode, reason }: { mode: string; reason?: string }) {
  return (
    <Badge tone={MODES[mode] ?? "plain"} title={reason}>
      {mode === "unspecified" ? "as measured" : words(mode)}
    </Badge>
  );
}

const saved = (row: CacheShape): number | null => row.benefit?.saved_us_per_second ?? null;

const columns = (rule: (row: CacheShape) => void, whyNot: string | undefined): Column<CacheShape>[] => [
  {
    key: "text",
    title: "Statement",
    lead: true,
    cell: (row) => (
      <div className={styles.shape}>
        <Link to={`/queries/${row.fingerprint}`} className={styles.statement} title={row.text}>
          {row.text ? <Sql sql={row.text} /> : <code>{row.fingerprint}</code>}
        </Link>
        {row.decision?.reason && <span className={styles.why}>{row.decision.reason}</span>}
      </div>
    ),
  },
  {
    key: "mode",
    title: "Cached",
    cell: (row) => <Mode mode={row.decision?.mode ?? "unspecified"} reason={row.decision?.reason} />,
    sort: (row) => row.decision?.mode ?? "",
    width: "104px",
  },
  {
    key: "saved",
    title: "Saves",
    help: "PostgreSQL's time saved in each second, less what looking up takes",
    cell: (row) => {
      const us = saved(row);
      if (us === null) return <span className="muted">–</span>;
      return (
        <span data-loses={us < 0 || undefined} className={styles.saved}>{`${duration(us / 1000)}/s`}</span>
      );
    },
    sort: saved,
    numeric: true,
    width: "112px",
  },
  {
    key: "hit_ratio",
    title: "Hits",
    cell: (row) => ratio(row.benefit?.hit_ratio),
    sort: (row) => row.benefit?.hit_ratio ?? null,
    numeric: true,
    width: "84px",
  },
  {
    key: "miss_us",
    title: "Miss → hit",
    help: "An average answer from PostgreSQL, and one from the cache",
    cell: (row) =>
      row.benefit ? `${duration(row.benefit.miss_us / 1000)} → ${duration(row.benefit.hit_us / 1000)}` : "–",
    sort: (row) => row.benefit?.miss_us ?? null,
    numeric: true,
    width: "156px",
  },
  {
    key: "entries",
    title: "Results",
    cell: (row) => count(row.entries_memory + row.entries_shared),
    sort: (row) => row.entries_memory + row.entries_shared,
    numeric: true,
    width: "88px",
  },
  {
    key: "bytes",
    title: "Memory",
    cell: (row) => bytes(row.bytes),
    sort: (row) => row.bytes,
    numeric: true,
    width: "104px",
  },
  {
    key: "rule",
    title: "",
    cell: (row) => (
      <Button small look="quiet" disabled={whyNot !== undefined} title={whyNot} onClick={() => rule(row)}>
        Rule
      </Button>
    ),
    width: "80px",
  },
];

const keyOf = (row: CacheShape): string => `${row.project}/${row.database}/${row.fingerprint}`;

export function Shapes({ onRule }: { onRule: (row: CacheShape) => void }) {
  const [search, setSearch] = useQueryState("find");
  const project = useProject();
  const whyNot = useWhyNot();
  const pages = usePages<CacheShapesResponse, CacheShape>(
    pathWith("/database/cache/shapes", { search, limit: 200, project }),
    { rowsOf: (answer) => answer.shapes, keyOf, ranked: true, keep: true, every: 2 },
  );
  return (
    <Panel
      title="Shapes"
      note="the greatest benefit first"
      flush
      actions={
        <Filters label="Filter shapes">
          <SearchField
            label="Find statements"
            placeholder="Part of a statement"
            value={search}
            onChange={setSearch}
          />
        </Filters>
      }
    >
      <Guarded
        state={pages.state}
        what="Shapes"
        height={320}
        refused="What the cache holds is told to operators."
      >
        {(shapes) => (
          <Table
            label="Shapes of statements"
            columns={columns(onRule, whyNot)}
            rows={shapes}
            rowKey={keyOf}
            initialSort="-saved"
            sortName="shapes"
            rowHeight={60}
            cardHeight={220}
            end={<More pages={pages} shown={shapes.length} what="more" />}
            empty={
              <Empty
                title={search === "" ? "Nothing was looked up yet" : "No statement has this in it"}
                icon="cache"
              >
                Statements that only read are tried by themselves; those that pay are kept.
              </Empty>
            }
          />
        )}
      </Guarded>
    </Panel>
  );
}
