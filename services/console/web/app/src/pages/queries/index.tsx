// All statements of a project by shape: searched, filtered, sorted, each with the way to its own page.
import { useEffect, useState } from "react";
import {
  type Pages,
  pathWith,
  type QueriesResponse,
  type QueryStatistics,
  usePages,
  useProject,
} from "@/api";
import { plural } from "@/format";
import { useQueryState } from "@/router";
import {
  Badge,
  Empty,
  Filters,
  Loaded,
  More,
  PageHead,
  Panel,
  SearchField,
  SelectField,
  SpanSwitch,
  Table,
  useSpan,
} from "@/ui";
import { useColumns } from "./columns";
import { KINDS, keptBy, SERVER_SORTS } from "./filter";
import styles from "./Queries.module.css";

const QUERIES = "/database/monitoring/queries";
const PAGE = 1000;
const TYPING_MS = 250;

type Queries = Pages<QueryStatistics, QueriesResponse>;

const keyOf = (row: QueryStatistics): string => `${row.fingerprint}/${row.database}`;

export default function QueriesPage() {
  const span = useSpan();
  const [kind, setKind] = useQueryState("kind");
  const [database, setDatabase] = useQueryState("database");
  const [search] = useQueryState("search");
  const [sort] = useQueryState("sort", "-total_ms");
  const [isPartial, setPartial] = useState(false);
  const project = useProject();
  const asked = {
    project,
    limit: PAGE,
    search,
    database,
    kind,
    // All that there are can be sorted here; of more than that the console has to choose.
    sort: isPartial ? SERVER_SORTS[sort.replace("-", "")] : undefined,
  };
  const queries = usePages<QueriesResponse, QueryStatistics>(
    pathWith(QUERIES, { ...asked, since: span.sinceUnixMs }),
    {
      rowsOf: (answer) => answer.queries,
      keyOf,
      every: 10,
      keep: true,
      ranked: true,
      // The span moves on by the minute; what was read of the list stays.
      listKey: pathWith(QUERIES, { ...asked, span: span.value }),
    },
  );
  const next = queries.answer?.next;
  useEffect(() => {
    if (next !== undefined) setPartial(next !== null);
  }, [next]);

  return (
    <>
      <PageHead
        title="Queries"
        lead="Every shape of statement, with what its callers felt."
        actions={<SpanSwitch span={span} />}
      />
      <Panel flush>
        <div className={styles.filters}>
          <Filters label="Filters of queries">
            <Search />
            <SelectField hideLabel label="Kind" value={kind} onChange={setKind} choices={KINDS} />
            <DatabaseFilter queries={queries} value={database} onChange={setDatabase} />
            <Count queries={queries} />
          </Filters>
        </div>
        <Loaded state={queries.state} what="The list of queries" height={520}>
          {(read) => (
            <List
              read={read}
              pages={queries}
              kind={kind}
              database={database}
              isFiltered={Boolean(search || kind || database)}
            />
          )}
        </Loaded>
      </Panel>
    </>
  );
}

/** What is typed goes to the address when the typing rests, so that not every letter asks the console. */
function Search() {
  const [search, setSearch] = useQueryState("search");
  const [text, setText] = useState(search);
  useEffect(() => {
    if (text === search) return;
    const timer = setTimeout(() => setSearch(text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, search, setSearch]);
  return (
    <SearchField
      label="Search in statements"
      placeholder="Search in statements"
      value={text}
      onChange={setText}
    />
  );
}

interface DatabaseFilterProps {
  queries: Queries;
  value: string;
  onChange: (value: string) => void;
}

/** The databases that have been seen so far; the chosen one stays among them. */
function DatabaseFilter({ queries, value, onChange }: DatabaseFilterProps) {
  const [known, setKnown] = useState<readonly string[]>([]);
  const rows = queries.state.data;
  useEffect(() => {
    if (rows) setKnown((before) => [...new Set([...before, ...rows.map((row) => row.database)])].sort());
  }, [rows]);
  const names = [...new Set([...known, value])].filter((name) => name !== "");
  const choices = [
    { value: "", title: "All databases" },
    ...names.map((name) => ({ value: name, title: name })),
  ];
  return <SelectField hideLabel label="Database" value={value} onChange={onChange} choices={choices} />;
}

function Count({ queries: { state, answer, hasMore } }: { queries: Queries }) {
  if (!state.data) return null;
  const text = plural(state.data.length, "shape");
  return (
    <span className="row muted" style={{ marginLeft: "auto" }} aria-live="polite" aria-busy={state.isLoading}>
      {answer?.missing && (
        <Badge tone="warn" title={answer.missing}>
          incomplete
        </Badge>
      )}
      {hasMore ? `the first ${text}` : text}
    </span>
  );
}

interface ListProps {
  read: readonly QueryStatistics[];
  pages: Queries;
  kind: string;
  database: string;
  isFiltered: boolean;
}

function List({ read, pages, kind, database, isFiltered }: ListProps) {
  const rows = keptBy(read, kind, database);
  const total = rows.reduce((sum, row) => sum + row.total_ms, 0);
  const most = rows.reduce((high, row) => Math.max(high, row.total_ms), 0);
  const columns = useColumns(total, most);
  return (
    <Table
      label="Queries"
      columns={columns}
      rows={rows}
      rowKey={keyOf}
      initialSort="-total_ms"
      rowHeight={52}
      cardHeight={196}
      maxHeight="calc(100dvh - 248px)"
      end={<More pages={pages} shown={read.length} what="more" />}
      empty={
        isFiltered ? (
          <Empty title="Nothing fits" icon="search">
            No statement of this span of time fits the filters. Take one away, or look at a longer span.
          </Empty>
        ) : (
          <Empty title="No statement in this span" icon="queries">
            Connect a program to port 6432 in place of 5432: what it asks is counted here within a second.
          </Empty>
        )
      }
    />
  );
}
