// The map of bloat: tables as large as they are, coloured by how much of them is waste. Or the same as a table.
import { useState } from "react";
import { bytes, plural, ratio, words } from "@/format";
import { Badge, Button, type Column, Empty, Panel, Segments, Table, useIsPhone } from "@/ui";
import { useWhyNot } from "../parts";
import { BloatMap } from "./BloatMap";
import { type BloatTable, classOf, wasteRatio, wasteWords } from "./bloat";
import styles from "./Maintenance.module.css";

interface BloatPanelProps {
  tables: BloatTable[];
  chosen: string | null;
  onChoose: (key: string | null) => void;
  onRun: (operation: string, table: string) => void;
}

const CLASSES = [
  { id: "little", title: "under 10 %" },
  { id: "some", title: "10 to 20 %" },
  { id: "much", title: "20 to 30 %" },
  { id: "most", title: "30 % and more" },
  { id: "unknown", title: "not known" },
];

export function BloatPanel({ tables, chosen, onChoose, onRun }: BloatPanelProps) {
  const isPhone = useIsPhone();
  const [view, setView] = useState("map");
  const table = tables.find((one) => one.key === chosen);
  return (
    <Panel
      title="Bloat"
      note={plural(tables.length, "table")}
      flush={view === "table"}
      actions={
        <Segments
          label="Show bloat as"
          value={view}
          onChange={setView}
          choices={[
            { value: "map", title: "Map" },
            { value: "table", title: "Table" },
          ]}
        />
      }
    >
      {view === "table" ? (
        <BloatTableView tables={tables} onRun={onRun} />
      ) : (
        <div className="stack">
          {tables.every((one) => one.sizeBytes === 0) ? (
            <Empty title="No table with anything in it" icon="maintenance">
              Tables appear once the databases of this project were looked at.
            </Empty>
          ) : (
            <>
              <BloatMap tables={tables} chosen={chosen} onChoose={onChoose} ratio={isPhone ? 1.1 : 0.34} />
              <ul className={styles.keys} aria-label="Share of waste">
                {CLASSES.map(({ id, title }) => (
                  <li key={id}>
                    <span className={styles.key} data-bloat={id} aria-hidden="true" />
                    {title}
                  </li>
                ))}
              </ul>
            </>
          )}
          {table && <Chosen table={table} onRun={onRun} />}
        </div>
      )}
    </Panel>
  );
}

function Chosen({ table, onRun }: { table: BloatTable; onRun: BloatPanelProps["onRun"] }) {
  const whyNot = useWhyNot();
  return (
    <section className={styles.chosen} aria-label={`What is known of ${table.table}`} aria-live="polite">
      <header className={styles.chosenHead}>
        <b>{table.table}</b>
        <span className="muted">
          {table.database} · {bytes(table.sizeBytes)} · {wasteWords(table)}
          {table.indexWasteBytes > 0 && ` · ${bytes(table.indexWasteBytes)} in indexes`}
        </span>
        <Button
          small
          disabled={whyNot !== undefined}
          title={whyNot}
          onClick={() => onRun("vacuum", table.table)}
        >
          Work on it…
        </Button>
      </header>
      <ul className={styles.verdicts}>
        {table.verdicts.map((one) => (
          <li key={`${one.kind}/${one.index}`}>
            <Badge tone={one.selected ? "warn" : "plain"}>{words(one.kind)}</Badge>
            <span>
              {one.index && <code>{one.index}</code>} {one.reason}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

const columns = (onRun: BloatPanelProps["onRun"], whyNot: string | undefined): Column<BloatTable>[] => [
  { key: "table", title: "Table", cell: (row) => <b>{row.table}</b>, sort: (row) => row.table },
  {
    key: "database",
    title: "Database",
    cell: (row) => row.database,
    sort: (row) => row.database,
    width: "120px",
  },
  {
    key: "size",
    title: "Size",
    cell: (row) => bytes(row.sizeBytes),
    sort: (row) => row.sizeBytes,
    numeric: true,
    width: "112px",
  },
  {
    key: "waste",
    title: "Waste",
    cell: (row) => bytes(row.wasteBytes),
    sort: (row) => row.wasteBytes,
    numeric: true,
    width: "112px",
  },
  {
    key: "ratio",
    title: "Share",
    cell: (row) => (
      <span className={styles.share}>
        <span className={styles.key} data-bloat={classOf(wasteRatio(row))} aria-hidden="true" />
        {ratio(wasteRatio(row))}
      </span>
    ),
    sort: wasteRatio,
    numeric: true,
    width: "104px",
  },
  {
    key: "indexes",
    title: "In indexes",
    cell: (row) => bytes(row.indexWasteBytes || null),
    sort: (row) => row.indexWasteBytes,
    numeric: true,
    width: "112px",
  },
  {
    key: "run",
    title: "",
    cell: (row) => (
      <Button
        small
        look="quiet"
        disabled={whyNot !== undefined}
        title={whyNot}
        onClick={() => onRun("vacuum", row.table)}
      >
        Work on it…
      </Button>
    ),
    width: "124px",
  },
];

function BloatTableView({ tables, onRun }: Pick<BloatPanelProps, "tables" | "onRun">) {
  const whyNot = useWhyNot();
  return (
    <Table
      label="Tables with their waste"
      columns={columns(onRun, whyNot)}
      rows={tables}
      rowKey={(row) => row.key}
      initialSort="-waste"
      sortName="bloat"
      empty={<Empty title="No table">Tables appear once the databases of this project were looked at.</Empty>}
    />
  );
}
