// The audit: every change and every refusal, searched, without end.
import { useDeferredValue, useEffect, useState } from "react";
import { pathWith } from "@/api";
import { usePages } from "@/api/usePages";
import { useQueryState } from "@/router";
import {
  Allowed,
  Button,
  CheckField,
  Empty,
  Filters,
  More,
  Panel,
  SearchField,
  SelectField,
  Table,
} from "@/ui";
import { COLUMNS } from "./auditColumns";
import { type Filter, isFiltered, METHODS, matches, namesIn, queryOf, SPANS } from "./auditFilter";
import styles from "./Security.module.css";
import { AUDIT, type AuditEntry, type AuditResponse } from "./types";

function useFilter(): [Filter, Record<keyof Filter, (value: string) => void>] {
  const [search, setSearch] = useQueryState("search");
  const [actor, setActor] = useQueryState("actor");
  const [method, setMethod] = useQueryState("method");
  const [span, setSpan] = useQueryState("since");
  const [refused, setRefused] = useQueryState("refused");
  return [
    { search, actor, method, span, refused },
    { search: setSearch, actor: setActor, method: setMethod, span: setSpan, refused: setRefused },
  ];
}

export function Audit() {
  const [filter, set] = useFilter();
  const [openedUnixMs] = useState(() => Date.now());
  const settled = useDeferredValue(filter);
  const pages = usePages<AuditResponse, AuditEntry>(
    pathWith(AUDIT, { ...queryOf(settled, openedUnixMs), limit: 100 }),
    { rowsOf: (answer) => answer.entries, keyOf: (entry) => String(entry.id), every: 1 },
  );
  const actors = useSeenActors(pages.state.data, filter.actor);
  const clear = () => {
    for (const one of Object.values(set)) one("");
  };
  return (
    <Panel title="Audit" flush>
      <div className={styles.filters}>
        <FilterFields filter={filter} set={set} actors={actors} />
      </div>
      <Allowed state={pages.state} what="The audit" height={480}>
        {(all) => {
          const entries = all.filter((entry) => matches(filter, entry));
          return (
            <>
              <Table
                label="Entries of the audit"
                columns={COLUMNS}
                rows={entries}
                rowKey={(entry) => String(entry.id)}
                sortName="audit"
                rowHeight={52}
                cardHeight={112}
                empty={<Nothing filter={filter} hasMore={pages.hasMore} clear={clear} />}
              />
              <More pages={pages} shown={entries.length} />
            </>
          );
        }}
      </Allowed>
    </Panel>
  );
}

/** Everybody who was on this page once: the console looks for whole names, so they are chosen. */
function useSeenActors(entries: readonly AuditEntry[] | undefined, chosen: string): string[] {
  const [seen, setSeen] = useState<readonly string[]>([]);
  useEffect(() => {
    if (entries) setSeen((before) => namesIn(before, entries));
  }, [entries]);
  return [...new Set([...seen, chosen])].filter((name) => name !== "").sort();
}

interface FilterFieldsProps {
  filter: Filter;
  set: ReturnType<typeof useFilter>[1];
  actors: readonly string[];
}

function FilterFields({ filter, set, actors }: FilterFieldsProps) {
  return (
    <Filters label="Filter the audit">
      <SearchField
        label="Search actions and targets"
        placeholder="Action or target"
        value={filter.search}
        onChange={set.search}
      />
      <SelectField
        label="Who"
        hideLabel
        value={filter.actor}
        onChange={set.actor}
        choices={[{ value: "", title: "Anybody" }, ...actors.map((name) => ({ value: name, title: name }))]}
      />
      <SelectField
        label="What was done"
        hideLabel
        value={filter.method}
        onChange={set.method}
        choices={METHODS}
      />
      <SelectField label="Since when" hideLabel value={filter.span} onChange={set.span} choices={SPANS} />
      <CheckField
        label="Only refused"
        checked={filter.refused === "1"}
        onChange={(on) => set.refused(on ? "1" : "")}
      />
    </Filters>
  );
}

function Nothing({ filter, hasMore, clear }: { filter: Filter; hasMore: boolean; clear: () => void }) {
  if (hasMore) return <Empty title="Nothing yet among the latest" icon="search" />;
  if (isFiltered(filter))
    return (
      <Empty
        title="Nothing fits the filter"
        icon="search"
        action={<Button onClick={clear}>Clear the filter</Button>}
      />
    );
  return (
    <Empty title="Nothing was asked yet" icon="security">
      Changes and refusals stand here from the first one on.
    </Empty>
  );
}
