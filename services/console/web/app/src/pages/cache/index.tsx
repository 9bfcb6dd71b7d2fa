// The result cache: what it saves, what it holds, how late it is, which rules decide, and why a statement is cached or not.
import { useState } from "react";
import { type CacheShape, useApi } from "@/api";
import { Empty, PageHead, Panel, Tabs } from "@/ui";
import { Guarded, useServerApi } from "../parts";
import { Explain } from "./Explain";
import { Followers } from "./Followers";
import { Invalidate } from "./Invalidate";
import { Now } from "./Now";
import { type Draft, NEW_DRAFT } from "./policy";
import { RuleDialog } from "./RuleDialog";
import { Rules } from "./Rules";
import { Shapes } from "./Shapes";
import type { CacheResponse, FollowersResponse } from "./types";

const REFUSED_CACHE = "What the cache holds is told to operators.";
const REFUSED_FOLLOWERS = "How the log of each database is followed is the same for all projects.";

interface Rule {
  draft: Draft;
  isNew: boolean;
}

export default function CachePage() {
  const [rule, setRule] = useState<Rule | null>(null);
  const followers = useServerApi<FollowersResponse>("/database/cache/followers", { every: 1, on: ["cache"] });
  const ruleFor = (shape: CacheShape) =>
    setRule({ draft: { ...NEW_DRAFT, subject: "fingerprint", name: shape.fingerprint }, isNew: true });
  return (
    <>
      <PageHead
        title="Cache"
        lead="Results that need not be computed again, and when they stop being true."
        actions={<Invalidate />}
      />
      <Tabs
        label="Parts of the cache"
        tabs={[
          { id: "now", title: "Now", content: () => <NowTab followers={followers.data} /> },
          { id: "shapes", title: "Shapes", content: () => <Shapes onRule={ruleFor} /> },
          {
            id: "rules",
            title: "Rules",
            content: () => <Rules onDraft={(draft, isNew) => setRule({ draft, isNew })} />,
          },
          {
            id: "followers",
            title: "Followers",
            count: followers.data?.followers.length,
            content: () => (
              <Panel title="Followers" note="how invalidations come from each database's log" flush>
                <Guarded
                  state={followers}
                  what="Followers"
                  refused={REFUSED_FOLLOWERS}
                  serverOnly
                  height={200}
                >
                  {(data) => <Followers followers={data.followers} />}
                </Guarded>
              </Panel>
            ),
          },
          { id: "explain", title: "Why?", content: () => <Explain /> },
        ]}
      />
      <RuleDialog initial={rule?.draft ?? null} isNew={rule?.isNew ?? true} onClose={() => setRule(null)} />
    </>
  );
}

function NowTab({ followers }: { followers: FollowersResponse | undefined }) {
  const cache = useApi<CacheResponse>("/database/cache", { scoped: true, every: 1 });
  return (
    <Guarded state={cache} what="The cache" refused={REFUSED_CACHE} height={480}>
      {(data) =>
        data.total ? (
          <Now total={data.total} followers={followers?.followers} />
        ) : (
          <Empty title="The cache is off" icon="cache">
            No gateway keeps results now. <code>gateway.cache</code> in the settings turns it on.
          </Empty>
        )
      }
    </Guarded>
  );
}
