// What fires now, worst first, and what will if it lasts.
import { type Alert, type ApiState, type Pages, useProject } from "@/api";
import { useQueryState } from "@/router";
import { Empty, Filters, Loaded, More, Panel, SearchField, Segments } from "@/ui";
import { AlertCard } from "./AlertCard";
import styles from "./Alerts.module.css";
import { isCared, worstFirst } from "./firing";
import { useAlertPages } from "./useAlerts";

const SHOWN = [
  { value: "", title: "All" },
  { value: "critical", title: "Critical" },
  { value: "open", title: "Nobody's" },
];

interface FiringAlertsProps {
  state: ApiState<Alert[]>;
  pages: Pages<Alert>;
  metricOf: (rule: string) => string | null;
  onSilence: (alert: Alert) => void;
}

export function FiringAlerts({ state, pages, metricOf, onSilence }: FiringAlertsProps) {
  const [shown, setShown] = useQueryState("show");
  const [search, setSearch] = useQueryState("search");
  return (
    <div className="stack">
      <Filters label="Filter the alerts">
        <SearchField label="Search the alerts" placeholder="Search" value={search} onChange={setSearch} />
        <Segments label="Which alerts" value={shown} onChange={setShown} choices={SHOWN} />
      </Filters>
      <Loaded state={state} what="Alerts" height={320}>
        {(alerts) => (
          <>
            <Cards
              alerts={alerts.filter((alert) => isWanted(alert, shown, search))}
              isFiltered={alerts.length > 0}
              metricOf={metricOf}
              onSilence={onSilence}
            />
            <More pages={pages} shown={alerts.length} />
          </>
        )}
      </Loaded>
      <Pending metricOf={metricOf} onSilence={onSilence} />
    </div>
  );
}

function isWanted(alert: Alert, shown: string, search: string): boolean {
  if (shown === "critical" && alert.severity !== "critical") return false;
  if (shown === "open" && isCared(alert)) return false;
  const text = [alert.summary, alert.rule, ...Object.values(alert.labels)].join(" ").toLowerCase();
  return text.includes(search.toLowerCase());
}

interface CardsProps extends Omit<FiringAlertsProps, "state" | "pages"> {
  alerts: readonly Alert[];
  isFiltered: boolean;
}

function Cards({ alerts, isFiltered, metricOf, onSilence }: CardsProps) {
  if (alerts.length === 0) {
    return (
      <Panel>
        {isFiltered ? (
          <Empty title="No alert fits the filter" icon="search" />
        ) : (
          <Empty title="Nothing fires" icon="check">
            Rules look at figures all the time. What comes true is here within a second.
          </Empty>
        )}
      </Panel>
    );
  }
  return (
    <ul className={styles.cards} aria-label="Alerts that fire">
      {alerts.map((alert) => (
        <li key={alert.id}>
          <AlertCard alert={alert} metric={metricOf(alert.rule)} onSilence={onSilence} />
        </li>
      ))}
    </ul>
  );
}

function Pending({ metricOf, onSilence }: Omit<FiringAlertsProps, "state" | "pages">) {
  const pages = useAlertPages("pending", useProject(), 5);
  const alerts = pages.state.data ?? [];
  if (alerts.length === 0) return null;
  return (
    <section className="stack" aria-labelledby="pending">
      <h2 id="pending" className={styles.subhead}>
        Will fire if it lasts
      </h2>
      <ul className={styles.cards}>
        {worstFirst(alerts).map((alert) => (
          <li key={alert.id}>
            <AlertCard alert={alert} metric={metricOf(alert.rule)} onSilence={onSilence} heading="h3" />
          </li>
        ))}
      </ul>
      <More pages={pages} shown={alerts.length} />
    </section>
  );
}
