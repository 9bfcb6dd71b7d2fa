// What would be done now, in this order, each with its reason, gain and cost.
import { bytes, duration, words } from "@/format";
import { Badge, Button, type Column, Empty, Table } from "@/ui";
import { useWhyNot } from "../parts";
import styles from "./Maintenance.module.css";
import type { Candidate } from "./types";

interface DueProps {
  due: Candidate[];
  onRun?: (operation: string, table: string) => void;
}

const nameOf = (row: Candidate) => row.index || row.table;

const columns = (onRun: DueProps["onRun"], whyNot: string | undefined): Column<Candidate>[] => [
  {
    key: "what",
    title: "What",
    lead: true,
    cell: (row) => (
      <div>
        <div className="row">
          <b>{nameOf(row)}</b>
          <Badge>{words(row.kind)}</Badge>
          {row.emergency && <Badge tone="bad">cannot wait</Badge>}
        </div>
        <div className={styles.reason}>{row.reason}</div>
      </div>
    ),
  },
  {
    key: "reclaim",
    title: "Gives back",
    cell: (row) => bytes(row.expected?.reclaim_likely_bytes || null),
    sort: (row) => row.expected?.reclaim_likely_bytes ?? null,
    numeric: true,
  },
  {
    key: "cost",
    title: "Reads and writes",
    cell: (row) => bytes(row.expected?.cost_bytes || null),
    sort: (row) => row.expected?.cost_bytes ?? null,
    numeric: true,
  },
  {
    key: "takes",
    title: "Takes",
    help: "In nine of ten cases no longer",
    cell: (row) => (row.expected?.takes_ms ? duration(row.expected.takes_ms) : "–"),
    sort: (row) => row.expected?.takes_ms ?? null,
    numeric: true,
  },
  ...(onRun
    ? [
        {
          key: "run",
          title: "",
          cell: (row: Candidate) => (
            <Button
              small
              look="quiet"
              disabled={whyNot !== undefined}
              title={whyNot}
              onClick={() => onRun(row.kind, row.table)}
            >
              Do it…
            </Button>
          ),
        },
      ]
    : []),
];

export function Due({ due, onRun }: DueProps) {
  const whyNot = useWhyNot();
  return (
    <Table
      label="Work in the order in which it would be done"
      columns={columns(onRun, whyNot)}
      rows={due}
      rowKey={(row) => `${row.database}/${row.table}/${row.kind}/${row.index}`}
      sortName="due"
      cardHeight={160}
      empty={
        <Empty title="Nothing is due" icon="check">
          Every table was looked at, and none needs work now. What is measured is looked at again every ten
          minutes.
        </Empty>
      }
    />
  );
}
