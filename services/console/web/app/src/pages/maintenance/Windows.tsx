// When maintenance may run: a week on the viewer's clock, and the windows with the zone that each is meant in.
import { useMemo, useState } from "react";
import { api, pathWith, useAction, useApi, useProject } from "@/api";
import { dayClock, duration, words } from "@/format";
import { Badge, Button, type Column, Confirm, Empty, IconButton, Panel, Table, Time, useNow } from "@/ui";
import { Guarded, useWhyNot } from "../parts";
import styles from "./Maintenance.module.css";
import { zoneOfViewer } from "./openings";
import type { MaintenanceWindow, WindowsResponse } from "./types";
import { Week } from "./Week";
import { WindowDialog } from "./WindowDialog";

const REFUSED = "Windows are told to those who may see the project.";
const FROM: Record<MaintenanceWindow["source"], string> = {
  unspecified: "",
  default: "the settings",
  file: "the settings file",
  operator: "by hand",
  learned: "learned from traffic",
};

export function Windows() {
  const state = useApi<WindowsResponse>("/database/windows", { scoped: true, every: 30, on: ["job"] });
  const [edited, setEdited] = useState<MaintenanceWindow | "new" | null>(null);
  const whyNot = useWhyNot();
  return (
    <div className="stack">
      <Panel
        title="This week"
        note={`on your clock, ${zoneOfViewer()}`}
        actions={
          <Button
            small
            look="primary"
            disabled={whyNot !== undefined}
            title={whyNot}
            onClick={() => setEdited("new")}
          >
            Add a window
          </Button>
        }
      >
        <Guarded state={state} what="Windows" refused={REFUSED} height={360}>
          {(data) => <ThisWeek {...data} />}
        </Guarded>
      </Panel>
      <Panel
        title="Windows"
        note="those of operators and of the file count first, then learned ones, then the default"
        flush
      >
        <Guarded state={state} what="Windows" refused={REFUSED} height={160}>
          {(data) => <List windows={data.windows} onEdit={setEdited} />}
        </Guarded>
      </Panel>
      <WindowDialog edited={edited} onClose={() => setEdited(null)} />
    </div>
  );
}

function ThisWeek({ windows, is_open, open_until_unix_ms, next_open_unix_ms }: WindowsResponse) {
  const inForce = useMemo(() => windows.filter((one) => one.in_force && !one.disabled), [windows]);
  return (
    <div className="stack">
      <p>
        <NextOpening isOpen={is_open} until={open_until_unix_ms} next={next_open_unix_ms} />
      </p>
      {inForce.length === 0 ? (
        <Empty title="No window counts" icon="maintenance">
          Only what cannot wait is done. Add a window, or take back what disables one.
        </Empty>
      ) : (
        <Week windows={inForce} />
      )}
    </div>
  );
}

function NextOpening({ isOpen, until, next }: { isOpen: boolean; until: number; next: number }) {
  const now = useNow();
  if (isOpen) {
    return (
      <>
        <Badge tone="good" dot>
          open now
        </Badge>{" "}
        {until === 0 ? "without an end" : `until ${dayClock(until)}, for another ${duration(until - now)}`}
      </>
    );
  }
  if (next === 0) return <>No window ever opens.</>;
  return (
    <>
      The next window opens <Time at={next} />, {dayClock(next)}.
    </>
  );
}

interface ListProps {
  windows: MaintenanceWindow[];
  onEdit: (window: MaintenanceWindow) => void;
}

const daysOf = (window: MaintenanceWindow): string =>
  window.weekdays.length % 7 === 0 ? "every day" : window.weekdays.map((day) => day.slice(0, 3)).join(", ");

function List({ windows, onEdit }: ListProps) {
  const project = useProject();
  const [doomed, setDoomed] = useState<MaintenanceWindow | null>(null);
  const whyNot = useWhyNot();
  const remove = useAction(
    (name: string) => api.delete(pathWith(`/database/windows/${encodeURIComponent(name)}`, { project })),
    {
      done: "The window is gone.",
      refreshes: ["/database/windows", "/database/maintenance/status"],
      onDone: () => setDoomed(null),
    },
  );
  const columns: Column<MaintenanceWindow>[] = [
    {
      key: "name",
      title: "Window",
      cell: (row) => (
        <div className="row">
          <b>{row.name}</b>
          {row.disabled ? (
            <Badge>off</Badge>
          ) : row.in_force ? (
            <Badge tone="good">counts</Badge>
          ) : (
            <Badge>does not count</Badge>
          )}
        </div>
      ),
      sort: (row) => row.name,
      lead: true,
    },
    { key: "days", title: "Days", cell: daysOf },
    { key: "hours", title: "Hours", cell: (row) => `${row.start} – ${row.end}`, sort: (row) => row.start },
    {
      key: "zone",
      title: "Its zone",
      cell: (row) => <span className={styles.zone}>{row.time_zone || "UTC"}</span>,
      sort: (row) => row.time_zone,
    },
    { key: "source", title: "From", cell: (row) => FROM[row.source], sort: (row) => row.source },
    {
      key: "buttons",
      title: "",
      cell: (row) => {
        const reason =
          row.source === "operator" ? whyNot : `It comes from ${FROM[row.source] || words(row.source)}.`;
        return (
          <span className={styles.buttons}>
            <Button
              small
              look="quiet"
              disabled={reason !== undefined}
              title={reason}
              onClick={() => onEdit(row)}
            >
              Change
            </Button>
            <IconButton
              small
              label={`Delete the window ${row.name}`}
              icon="close"
              disabled={reason !== undefined}
              onClick={() => setDoomed(row)}
            />
          </span>
        );
      },
    },
  ];
  return (
    <>
      <Table
        label="All windows"
        columns={columns}
        rows={windows}
        rowKey={(row) => `${row.source}/${row.name}`}
        sortName="windows"
        empty={<Empty title="No window">The settings have one for every project without its own.</Empty>}
      />
      <Confirm
        title="Delete the window?"
        isOpen={doomed !== null}
        onClose={() => setDoomed(null)}
        onConfirm={() => doomed && remove.run(doomed.name)}
        verb="Delete the window"
        isBusy={remove.isBusy}
      >
        Without <b>{doomed?.name}</b>, maintenance keeps to the other windows of the project, or to those of
        the settings.
      </Confirm>
    </>
  );
}
