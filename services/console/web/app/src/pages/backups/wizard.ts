// What somebody chose in the restore wizard, and what the console is asked for it. Pure.

export type Aim = "latest" | "time" | "commit" | "name" | "consistent";

export interface Choice {
  aim: Aim;
  timeUnixMs: number | null;
  xid: number | null;
  name: string;
  directory: string;
  /** What happens when the files are there. */
  afterwards: "" | "stop" | "pause" | "promote" | "standby";
  repository: string;
  backupId: string;
  delta: boolean;
  force: boolean;
}

export const FIRST_CHOICE: Choice = {
  aim: "latest",
  timeUnixMs: null,
  xid: null,
  name: "",
  directory: "",
  afterwards: "",
  repository: "",
  backupId: "",
  delta: false,
  force: false,
};

/** What is still missing, a sentence each. Nothing: it can be planned. */
export function missingOf(choice: Choice): string[] {
  const missing: string[] = [];
  if (choice.aim === "time" && choice.timeUnixMs === null) missing.push("Choose the moment to go back to.");
  if (choice.aim === "commit" && choice.xid === null) missing.push("Choose the commit that did the harm.");
  if (choice.aim === "name" && choice.name.trim() === "") missing.push("Say the name of the restore point.");
  if (!choice.directory.trim().startsWith("/"))
    missing.push("Say the directory to write, from the root: /srv/restore.");
  return missing;
}

/** The moment that is meant, as the call wants it. */
function targetOf(choice: Choice) {
  if (choice.aim === "time") return { time_unix_ms: choice.timeUnixMs };
  if (choice.aim === "commit") return { xid: choice.xid, before: true };
  if (choice.aim === "name") return { restore_point: choice.name.trim() };
  return choice.aim === "consistent" ? { consistent: true } : {};
}

export function orderOf(choice: Choice) {
  return {
    directory: choice.directory.trim(),
    target: targetOf(choice),
    ...(choice.backupId === "" ? {} : { backup_id: choice.backupId }),
    ...(choice.repository === "" ? {} : { repository: choice.repository }),
    // biome-ignore lint/suspicious/noThenProperty: the call names it so, and nobody awaits an order
    ...(choice.afterwards === "" ? {} : { then: choice.afterwards }),
    delta: choice.delta,
    force: choice.force,
  };
}

/** A moment as `datetime-local` fields have it, on the viewer's clock, with seconds. */
export function toField(unixMs: number | null): string {
  if (unixMs === null) return "";
  const at = new Date(unixMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function fromField(text: string): number | null {
  const at = new Date(text).getTime();
  return text === "" || Number.isNaN(at) ? null : at;
}
