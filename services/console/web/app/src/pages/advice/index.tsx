// Advice: what would serve the server and its tables better, what was done of it, and what that brought.
import { useApi } from "@/api";
import { PageHead, Tabs } from "@/ui";
import { AdviceList } from "./AdviceList";
import { Changes } from "./Changes";
import { Left } from "./Left";
import { ADVICE, type RecommendationsResponse } from "./types";

export default function AdvicePage() {
  const state = useApi<RecommendationsResponse>(ADVICE, { every: 30, on: ["job.succeeded"], scoped: true });
  return (
    <>
      <PageHead
        title="Advice"
        lead="What would serve the server, its databases and its tables better, from what was measured here. Nothing changes until somebody says so."
      />
      <Tabs
        label="Advice and changes"
        tabs={[
          {
            id: "todo",
            title: "To do",
            count: state.data?.recommendations.length,
            content: () => <AdviceList state={state} />,
          },
          { id: "changes", title: "Changes made", content: () => <Changes /> },
          {
            id: "left",
            title: "Left alone",
            count: state.data?.left.length,
            content: () => <Left state={state} />,
          },
        ]}
      />
    </>
  );
}
