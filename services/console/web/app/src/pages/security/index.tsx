// Security: who asked what, what was refused, who may call at all, and violations as they happen.
import { PageHead, Tabs } from "@/ui";
import { Audit } from "./Audit";
import { RefusedSummary } from "./RefusedSummary";
import { Tokens } from "./Tokens";
import { Violations } from "./Violations";

export default function SecurityPage() {
  return (
    <>
      <PageHead
        title="Security"
        lead="Every change that is asked of the console is written down before it is made, and every refusal when it is spoken."
      />
      <div className="stack">
        <Violations />
        <Tabs
          label="Audit and tokens"
          tabs={[
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
          ]}
        />
      </div>
    </>
  );
}
