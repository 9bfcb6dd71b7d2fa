// The pieces of advice, the weightiest first, filtered by kind and by what can be done about them.
import { useState } from "react";
import { type ApiState, useSession } from "@/api";
import { plural } from "@/format";
import { useQueryState } from "@/router";
import { Allowed, Button, Empty, Filters, Panel, SearchField, Segments, SelectField } from "@/ui";
import styles from "./Advice.module.css";
import { AdviceCard } from "./AdviceCard";
import { Apply } from "./Apply";
import type { Recommendation, RecommendationsResponse } from "./types";
import { kindWords, placeOf } from "./words";

const STATES = [
  { value: "", title: "All" },
  { value: "here", title: "Can be applied" },
  { value: "hand", title: "By hand" },
  { value: "done", title: "Acted upon" },
];
const SHOWN_FIRST = 50;

interface Filter {
  search: string;
  kind: string;
  state: string;
}

export function AdviceList({ state }: { state: ApiState<RecommendationsResponse> }) {
  const [search, setSearch] = useQueryState("search");
  const [kind, setKind] = useQueryState("kind");
  const [which, setWhich] = useQueryState("state");
  const kinds = [...new Set([...(state.data?.recommendations.map((one) => one.kind) ?? []), kind])].filter(
    Boolean,
  );
  const choices = [
    { value: "", title: "Every kind" },
    ...kinds.sort().map((one) => ({ value: one, title: kindWords(one) })),
  ];
  return (
    <div className="stack">
      <Filters label="Filter the advice">
        <SearchField label="Search the advice" placeholder="Search" value={search} onChange={setSearch} />
        <SelectField label="Kind" hideLabel value={kind} onChange={setKind} choices={choices} />
        <Segments label="What can be done" value={which} onChange={setWhich} choices={STATES} />
      </Filters>
      <Allowed state={state} what="Advice" height={480}>
        {(data) => <List data={data} filter={{ search, kind, state: which }} />}
      </Allowed>
    </div>
  );
}

function isWanted(advice: Recommendation, filter: Filter): boolean {
  if (filter.kind && advice.kind !== filter.kind) return false;
  if (filter.state && filter.state !== standingOf(advice)) return false;
  const text = [advice.summary, advice.reason, advice.setting, placeOf(advice)].join(" ").toLowerCase();
  return text.includes(filter.search.toLowerCase());
}

/** What can be done about it: here, by hand, or something was done and waits. */
function standingOf(advice: Recommendation): string {
  if (advice.state !== "open") return "done";
  return advice.applicable ? "here" : "hand";
}

function List({ data, filter }: { data: RecommendationsResponse; filter: Filter }) {
  const { mayChange } = useSession();
  const [applying, setApplying] = useState<Recommendation | null>(null);
  const [isWhole, setWhole] = useState(false);
  const wanted = data.recommendations.filter((advice) => isWanted(advice, filter));
  if (wanted.length === 0) return <Nothing isFiltered={data.recommendations.length > 0} />;
  const hidden = isWhole ? 0 : Math.max(0, wanted.length - SHOWN_FIRST);
  return (
    <>
      <ul className={styles.cards} aria-label="Advice">
        {wanted.slice(0, wanted.length - hidden).map((advice) => (
          <li key={advice.id}>
            <AdviceCard advice={advice} onApply={mayChange ? setApplying : null} />
          </li>
        ))}
      </ul>
      {hidden > 0 && (
        <div>
          <Button onClick={() => setWhole(true)}>Show {plural(hidden, "piece")} more</Button>
        </div>
      )}
      {data.more > 0 && (
        <p className="muted">There is more than is listed: {plural(data.more, "lighter piece")}.</p>
      )}
      <Apply advice={applying} onClose={() => setApplying(null)} />
    </>
  );
}

function Nothing({ isFiltered }: { isFiltered: boolean }) {
  return (
    <Panel>
      {isFiltered ? (
        <Empty title="No advice fits the filter" icon="search" />
      ) : (
        <Empty title="Nothing to do" icon="check">
          What was measured so far gives no reason to change anything. It is looked at again all the time.
        </Empty>
      )}
    </Panel>
  );
}
