// The form of a window: days, hours, and the zone in which they are meant.
import { useEffect, useState } from "react";
import { api, pathWith, useAction, useProject } from "@/api";
import { Button, CheckField, Dialog, TextField } from "@/ui";
import styles from "./Maintenance.module.css";
import { zoneOfViewer } from "./openings";
import type { MaintenanceWindow, Weekday } from "./types";

const DAYS: Weekday[] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

type Draft = Pick<MaintenanceWindow, "name" | "weekdays" | "start" | "end" | "time_zone" | "disabled">;

const fresh = (): Draft => ({
  name: "",
  weekdays: [],
  start: "22:00",
  end: "05:00",
  time_zone: zoneOfViewer(),
  disabled: false,
});

const isZone = (zone: string): boolean => {
  try {
    return Boolean(Intl.DateTimeFormat("en", { timeZone: zone }));
  } catch {
    return false;
  }
};

export function WindowDialog({
  edited,
  onClose,
}: {
  edited: MaintenanceWindow | "new" | null;
  onClose: () => void;
}) {
  const project = useProject();
  const [draft, setDraft] = useState<Draft>(fresh);
  useEffect(() => {
    if (edited !== null) setDraft(edited === "new" ? fresh() : edited);
  }, [edited]);
  const put = useAction(
    ({ name, weekdays, start, end, time_zone, disabled }: Draft) =>
      api.put(pathWith("/database/windows", { project }), {
        name: name.trim(),
        weekdays,
        start,
        end,
        time_zone,
        disabled,
      }),
    {
      done: "The window is in force.",
      refreshes: ["/database/windows", "/database/maintenance/status"],
      onDone: onClose,
    },
  );
  const set = (changes: Partial<Draft>) => setDraft({ ...draft, ...changes });
  const isRight =
    draft.name.trim() !== "" && draft.start !== "" && draft.end !== "" && isZone(draft.time_zone || "UTC");
  return (
    <Dialog
      title={edited === "new" ? "Add a window" : "Change the window"}
      isOpen={edited !== null}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" disabled={!isRight} isBusy={put.isBusy} onClick={() => put.run(draft)}>
            {edited === "new" ? "Add the window" : "Change the window"}
          </Button>
        </>
      }
    >
      <div className="stack">
        <TextField
          label="Name"
          value={draft.name}
          onChange={(name) => set({ name })}
          readOnly={edited !== "new"}
          maxLength={63}
          placeholder="nights"
        />
        <Days chosen={draft.weekdays} onChange={(weekdays) => set({ weekdays })} />
        <div className={styles.two}>
          <TextField label="Opens" type="time" value={draft.start} onChange={(start) => set({ start })} />
          <TextField
            label="Closes"
            type="time"
            value={draft.end}
            onChange={(end) => set({ end })}
            help={draft.end <= draft.start ? "on the next day" : undefined}
          />
        </div>
        <TextField
          label="Time zone"
          value={draft.time_zone}
          onChange={(time_zone) => set({ time_zone })}
          placeholder="UTC"
          error={isZone(draft.time_zone || "UTC") ? undefined : "No zone has this name."}
          help="The hours are meant in this zone, also when its clocks change."
          spellCheck={false}
        />
        <CheckField
          label="It does not count for now"
          checked={draft.disabled}
          onChange={(disabled) => set({ disabled })}
        />
      </div>
    </Dialog>
  );
}

function Days({ chosen, onChange }: { chosen: Weekday[]; onChange: (days: Weekday[]) => void }) {
  const toggle = (day: Weekday, isOn: boolean) =>
    onChange(DAYS.filter((one) => (one === day ? isOn : chosen.includes(one))));
  return (
    <fieldset className={styles.days}>
      <legend>Days on which it opens; none: every day</legend>
      {DAYS.map((day) => (
        <CheckField
          key={day}
          label={`${day.charAt(0).toUpperCase()}${day.slice(1, 3)}`}
          checked={chosen.includes(day)}
          onChange={(isOn) => toggle(day, isOn)}
        />
      ))}
    </fieldset>
  );
}
