// What Weir promises beside what was measured.
import { type Column, Panel, Table } from "@/ui";
import { measuredWords, targetWords } from "./figures";
import type { Check } from "./types";
import { VerdictBadge } from "./VerdictBadge";

const COLUMNS: Column<Check>[] = [
  { key: "title", title: "Promise", cell: (check) => check.title },
  { key: "target", title: "Target", numeric: true, cell: targetWords },
  { key: "measured", title: "Measured", numeric: true, cell: (check) => <b>{measuredWords(check)}</b> },
  { key: "verdict", title: "Verdict", cell: (check) => <VerdictBadge verdict={check.verdict} /> },
  { key: "note", title: "Note", whole: true, cell: (check) => check.note },
];

export function Compliance({ checks }: { checks: readonly Check[] }) {
  return (
    <Panel title="Compliance" flush>
      <Table
        label="Promises and what was measured"
        columns={COLUMNS}
        rows={checks}
        rowKey={(check) => check.name}
        sortName="checks"
      />
    </Panel>
  );
}
