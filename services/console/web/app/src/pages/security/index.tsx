// Security: rules that were broken, the firewall, who asked what of the console, and who may call at all.
import { useApi } from "@/api";
import { PageHead, type Tab, Tabs } from "@/ui";
import { Audit } from "./Audit";
import { Firewall } from "./Firewall";
import { Glance, LastDay } from "./Glance";
import { RefusedSummary } from "./RefusedSummary";
import { Tokens } from "./Tokens";
import { OVERVIEW, type SecurityOverview } from "./types";
import { Violations } from "./Violations";

export default function SecurityPage() {
  const overview = useApi<SecurityOverview>(OVERVIEW, {
    scoped: true,
    every: 5,
    on: ["security.violation"],
  });
  const queued = overview.data?.firewall?.queued;
  const tabs: Tab[] = [
    {
      id: "violations",
      title: "Violations",
      content: () => (
        <div className="stack">
          <Violations rules={overview.data?.rules ?? []} />
          <LastDay state={overview} />
        </div>
      ),
    },
    {
      id: "firewall",
      title: "Firewall",
      count: queued ? queued : undefined,
      content: () => <Firewall />,
    },
    {
      id: "audit",
      title: "Audit",
      content: () => (
        <div className="stack">
          <RefusedSummary />
          <Audit />
        </div>
      ),
    },
    { id: "tokens", title: "Tokens", content: () => <Tokens /> },
  ];
  return (
    <>
      <PageHead
        title="Security"
        lead="Which rules were broken at the gateway, what the firewall lets through, and what was asked of the console."
      />
      <div className="stack">
        <Glance state={overview} />
        <Tabs label="Parts of security" tabs={tabs} />
      </div>
    </>
  );
}
