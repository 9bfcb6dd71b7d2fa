// Broken rules: all that are kept, filtered, and what happens now before it is in the list.
import { useDeferredValue, useEffect, useState } from "react";
import { type BusEvent, pathWith, useLive, useProject } from "@/api";
import { usePages } from "@/api/usePages";
import { useQueryState } from "@/router";
import { Button, Empty, Filters, Loaded, More, Panel, SearchField, SelectField, Table } from "@/ui";
import { SPANS, SPANS_MS } from "./auditFilter";
import styles from "./Security.module.css";
import {
  type SecurityViolation,
  VIOLATIONS,
  type Violation,
  type ViolationsOfRule,
  type ViolationsResponse,
} from "./types";
import { COLUMNS } from "./violationColumns";
import { ACTIONS, choicesOf, type Filter, fits, isFiltered, joined, queryOf } from "./violations";

/** What the stream told is kept for so long at most: until the list has it. */
const LIVE_MAX = 200;

type Setters = Record<keyof Filter, (value: string) => void>;

function useFilter(): [Filter, Setters] {
  const [search, setSearch] = useQueryState("find");
  const [rule, setRule] = useQueryState("rule");
  const [action, setAction] = useQueryState("action");
  const [span, setSpan] = useQueryState("span");
  const [user, setUser] = useQueryState("user");
  const [database, setDatabase] = useQueryState("database");
  const [client, setClient] = useQueryState("client");
  return [
    { search, rule, action, span, user, database, client },
    {
      search: setSearch,
      rule: setRule,
      action: setAction,
      span: setSpan,
      user: setUser,
      database: setDatabase,
      client: setClient,
    },
  ];
}

/** What the stream tells while one looks, the latest first, of whatever project. */
function useToldNow(): readonly Violation[] {
  const [told, setTold] = useState<readonly Violation[]>([]);
  useLive(["security.violation"], (event) => {
    const { id, data } = event.data as BusEvent<SecurityViolation>;
    const one: Violation = { ...data, event_id: id };
    setTold((before) => [one, ...before.filter((each) => each.event_id !== id)].slice(0, LIVE_MAX));
  });
  return told;
}

export function Violations({ rules }: { rules: readonly ViolationsOfRule[] }) {
  const project = useProject();
  const [filter, set] = useFilter();
  const [openedUnixMs] = useState(() => Date.now());
  const settled = useDeferredValue(filter);
  const spanMs = SPANS_MS[settled.span];
  const since = spanMs === undefined ? null : openedUnixMs - spanMs;
  const pages = usePages<ViolationsResponse, Violation>(
    pathWith(VIOLATIONS, { ...queryOf(settled, project, since), limit: 100 }),
    {
      rowsOf: (answer) => answer.violations,
      keyOf: (row) => row.event_id,
      every: 5,
      on: ["security.violation"],
    },
  );
  const told = useToldNow().filter((one) => fits(filter, project, one));
  const clear = () => {
    for (const one of Object.values(set)) one("");
  };
  return (
    <Panel title="Violations" flush>
      <div className={styles.filters}>
        <FilterFields filter={filter} set={set} rules={rules.map((one) => one.rule)} />
        <Chosen filter={filter} set={set} />
      </div>
      <Loaded state={pages.state} what="Violations" height={480}>
        {(listed) => {
          const rows = joined(told, listed);
          return (
            <>
              <Announced newest={told[0]} />
              <Table
                label="All violations"
                columns={COLUMNS}
                rows={rows}
                rowKey={(row) => row.event_id}
                sortName="violations"
                rowHeight={60}
                cardHeight={200}
                empty={<Nothing filter={filter} clear={clear} />}
              />
              <More pages={pages} shown={rows.length} />
            </>
          );
        }}
      </Loaded>
    </Panel>
  );
}

/** Read out when it happens, for those who do not see the list move. */
function Announced({ newest }: { newest: Violation | undefined }) {
  const [words, setWords] = useState("");
  const id = newest?.event_id;
  const text = newest ? `${newest.action}: ${newest.summary}` : "";
  useEffect(() => {
    if (id) setWords(text);
  }, [id, text]);
  return (
    <p className="sr-only" role="status" aria-live="polite">
      {words}
    </p>
  );
}

function FilterFields({ filter, set, rules }: { filter: Filter; set: Setters; rules: readonly string[] }) {
  return (
    <Filters label="Filter the violations">
      <SearchField
        label="Search violations"
        placeholder="Rule, words, role, address"
        value={filter.search}
        onChange={set.search}
      />
      <SelectField
        label="Rule"
        hideLabel
        value={filter.rule}
        onChange={set.rule}
        choices={[
          { value: "", title: "Any rule" },
          ...choicesOf(rules, filter.rule).map((name) => ({ value: name, title: name })),
        ]}
      />
      <SelectField
        label="What was done about it"
        hideLabel
        value={filter.action}
        onChange={set.action}
        choices={ACTIONS}
      />
      <SelectField label="Since when" hideLabel value={filter.span} onChange={set.span} choices={SPANS} />
    </Filters>
  );
}

/** What was chosen in the list itself, each with a way out. */
function Chosen({ filter, set }: { filter: Filter; set: Setters }) {
  const chosen = (["user", "database", "client"] as const).filter((name) => filter[name] !== "");
  if (chosen.length === 0) return null;
  return (
    <p className={styles.chosen}>
      {chosen.map((name) => (
        <Button key={name} small icon="close" onClick={() => set[name]("")}>
          Only {WORDS[name]} {filter[name]}
        </Button>
      ))}
    </p>
  );
}

const WORDS = { user: "role", database: "database", client: "from" };

function Nothing({ filter, clear }: { filter: Filter; clear: () => void }) {
  if (isFiltered(filter))
    return (
      <Empty
        title="No violation fits the filter"
        icon="search"
        action={<Button onClick={clear}>Clear the filter</Button>}
      />
    );
  return (
    <Empty title="No rule was broken" icon="check">
      Statements that look like attacks, logins refused in a row, and projects that somebody may not choose
      stand here within a second.
    </Empty>
  );
}
