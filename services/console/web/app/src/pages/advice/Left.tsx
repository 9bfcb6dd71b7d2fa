// What may not be right and was left without advice, and why.
import type { ApiState } from "@/api";
import { Allowed, type Column, Empty, Panel, Table } from "@/ui";

import type { RecommendationsResponse } from "./types";

type One = RecommendationsResponse["left"][number];

const COLUMNS: Column<One>[] = [
  { key: "what", title: "What", cell: (row) => <code>{row.what}</code>, sort: (row) => row.what },
  { key: "reason", title: "Why it was left", whole: true, cell: (row) => row.reason },
];

export function Left({ state }: { state: ApiState<RecommendationsResponse> }) {
  return (
    <Panel title="Left without advice" flush>
      <Allowed state={state} what="What was left" height={240}>
        {(data) => (
          <Table
            label="All that was left"
            columns={COLUMNS}
            rows={data.left}
            rowKey={(row) => `${row.what} ${row.reason}`}
            sortName="left"
            empty={<Empty title="Nothing was left" icon="check" />}
          />
        )}
      </Allowed>
    </Panel>
  );
}
