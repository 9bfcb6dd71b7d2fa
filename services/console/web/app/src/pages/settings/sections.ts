// Settings by section, and which of them are wanted. Pure.
import type { Setting } from "./types";

export interface Section {
  name: string;
  settings: Setting[];
}

export interface Filter {
  search: string;
  section: string;
  /** `changed`: only what somebody said. `odd`: only what waits for a restart, or differs between services. */
  shown: string;
}

export const sectionOf = (key: string): string => (key.includes(".") ? (key.split(".")[0] ?? "") : "general");
export const nameIn = (key: string): string => key.slice(key.indexOf(".") + 1);

/** Whether somebody said it, in whatever place. */
export const isSaid = (setting: Setting): boolean =>
  setting.origin !== "default" && setting.origin !== "profile";

/** Whether somebody should look: it waits for a restart, or services differ in it. */
export const isOdd = (setting: Setting): boolean => setting.waiting !== null || setting.elsewhere.length > 0;

/** What is to be known of a setting beside its value, a sentence each. */
export function remarksOf(setting: Setting): string[] {
  const shown = (value: string | null) => value ?? "not set";
  const waits = setting.waiting ? [`after a restart: ${shown(setting.waiting.value)}`] : [];
  const others = setting.elsewhere.map(
    ({ service, value }) => `${service} has it otherwise: ${shown(value)}`,
  );
  const how = setting.changeable ? ["can be changed while it runs"] : [];
  return [...waits, ...others, ...how];
}

export function sectionsOf(settings: readonly Setting[], filter: Filter): Section[] {
  const found = new Map<string, Setting[]>();
  for (const setting of settings) {
    const section = sectionOf(setting.key);
    if (!isWanted(setting, section, filter)) continue;
    const same = found.get(section);
    if (same) same.push(setting);
    else found.set(section, [setting]);
  }
  return [...found].map(([name, some]) => ({ name, settings: some }));
}

function isWanted(setting: Setting, section: string, filter: Filter): boolean {
  if (filter.section && section !== filter.section) return false;
  if (filter.shown === "changed" && !isSaid(setting)) return false;
  if (filter.shown === "odd" && !isOdd(setting)) return false;
  const text =
    `${setting.key} ${setting.value ?? ""} ${setting.meaning ?? ""} ${setting.origin}`.toLowerCase();
  return filter.search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** Where a setting came from, and the variable if it was one. */
export function originOf(setting: Setting): { word: string; variable: string } {
  const [word = "", variable = ""] = setting.origin.split(" ", 2);
  return word === "environment" ? { word, variable } : { word: setting.origin, variable: "" };
}
