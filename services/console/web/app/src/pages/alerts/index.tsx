// Alerts: what fires now and what was done about it, who is not told of what, and the rules and channels behind it.
import { useState } from "react";
import { type Alert, useApi } from "@/api";
import { plural } from "@/format";
import { PageHead, type Tab, Tabs } from "@/ui";
import { Channels } from "./Channels";
import { FiringAlerts } from "./FiringAlerts";
import { Resolved } from "./Resolved";
import { Rules } from "./Rules";
import { SilenceDialog } from "./SilenceDialog";
import { Silences } from "./Silences";
import { RULES, type RulesResponse } from "./types";
import { useFiring } from "./useAlerts";

export default function AlertsPage() {
  const { state, pages, announced } = useFiring();
  const rules = useApi<RulesResponse>(RULES, { every: 120 });
  const [silencing, setSilencing] = useState<Alert | null>(null);
  const metricOf = (rule: string) => rules.data?.rules.find((one) => one.name === rule)?.metric ?? null;

  const tabs: Tab[] = [
    {
      id: "firing",
      title: "Firing",
      count: state.data?.length,
      content: () => (
        <FiringAlerts state={state} pages={pages} metricOf={metricOf} onSilence={setSilencing} />
      ),
    },
    { id: "resolved", title: "Resolved", content: () => <Resolved metricOf={metricOf} /> },
    { id: "silences", title: "Silences", content: () => <Silences alerts={state.data ?? []} /> },
    { id: "rules", title: "Rules", content: () => <Rules state={rules} /> },
    { id: "channels", title: "Channels", content: () => <Channels /> },
  ];

  return (
    <>
      <PageHead title="Alerts" lead={state.data && leadOf(state.data, pages.hasMore)} />
      <p className="sr-only" role="status" aria-live="polite">
        {announced}
      </p>
      <Tabs label="Alerts and what is behind them" tabs={tabs} />
      <SilenceDialog
        alert={silencing}
        alerts={state.data ?? []}
        isOpen={silencing !== null}
        onClose={() => setSilencing(null)}
      />
    </>
  );
}

function leadOf(alerts: readonly Alert[], hasMore: boolean): string {
  if (alerts.length === 0) return "Nothing fires.";
  const of = (severity: string) => alerts.filter((alert) => alert.severity === severity).length;
  const parts = [
    of("critical") > 0 && `${of("critical")} critical`,
    of("warning") > 0 && plural(of("warning"), "warning"),
    of("info") > 0 && `${of("info")} to know of`,
  ].filter(Boolean);
  const fire = plural(alerts.length, "alert fires", "alerts fire");
  return `${hasMore ? `More than ${fire}` : fire}: ${parts.join(", ")}.`;
}
