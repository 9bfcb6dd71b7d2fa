// What a piece of advice, and a change made on it, is in words: what it is about, what is run, when it counts. Pure.
import type { Advice } from "@/api";
import type { Change, ChangeState } from "./types";

/** `shop.orders in app`, `the server`. */
export function placeOf(of: Pick<Advice, "database" | "table"> & { part?: string }): string {
  if (!of.database) return "the server";
  const object = [of.table, of.part].filter(Boolean).join(", ");
  return object ? `${object} in ${of.database}` : `database ${of.database}`;
}

const literal = (value: string): string => `'${value.replaceAll("'", "''")}'`;
const name = (value: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(value) ? value : `"${value.replaceAll('"', '""')}"`;
const qualified = (table: string): string => {
  const [schema = "", ...rest] = table.split(".");
  return rest.length === 0 ? name(schema) : `${name(schema)}.${name(rest.join("."))}`;
};
/** Settings of extensions are two names with a dot between. */
const setting = (key: string): string => key.split(".").map(name).join(".");

/** What puts the proposed value in place, as a person would type it. Empty: no single statement does it. */
export function statementOf(advice: Advice): string {
  if (advice.statement) return advice.statement;
  if (!advice.setting) return "";
  if (advice.scope === "server") {
    if (advice.proposed === null) return `ALTER SYSTEM RESET ${setting(advice.setting)};`;
    return `ALTER SYSTEM SET ${setting(advice.setting)} = ${literal(advice.proposed)};`;
  }
  if (advice.scope !== "table" || !advice.table) return "";
  const table = qualified(advice.table);
  if (advice.proposed === null) return `ALTER TABLE ${table} RESET (${setting(advice.setting)});`;
  return `ALTER TABLE ${table} SET (${setting(advice.setting)} = ${literal(advice.proposed)});`;
}

const WHEN: Record<Advice["activation"], string> = {
  unspecified: "",
  immediate: "It is in force at once.",
  reload: "The server reads its settings again, which Weir has it do; nobody is disconnected.",
  restart: "It is written down now, and in force after the next restart of the server, which is up to you.",
};

export const whenOf = (advice: Advice): string => WHEN[advice.activation];

const RESTS_ON: Record<Advice["confidence"], string> = {
  unspecified: "not said",
  measured: "counted at this server",
  derived: "follows from the size of machine or data",
  guessed: "something that decides is not known",
};

export const restsOn = (advice: Advice): string => RESTS_ON[advice.confidence];

/** What may go wrong with it. */
export function riskOf(advice: Advice): string {
  if (!advice.applicable) return advice.by_hand || "A person has to decide this one.";
  if (advice.activation === "restart") return "Nothing until the restart; then as far as the server goes.";
  const reach = advice.scope === "server" ? "It reaches the whole server." : `It reaches ${placeOf(advice)}.`;
  return `${reach} It can be taken back here as long as nobody else changes it.`;
}

/** Words for what is not set. */
export const valueWords = (value: string | null): string =>
  value === null || value === "" ? "not set" : value;

const STATES: Record<ChangeState, string> = {
  unspecified: "not known",
  applying: "being applied",
  applied: "in force",
  pending_restart: "waits for a restart",
  reverting: "being taken back",
  reverted: "taken back",
  superseded: "changed again since",
  failed: "did not take place",
};

export const stateWords = (change: Change): string => STATES[change.state];

export const isUnderWay = (change: Change): boolean =>
  change.state === "applying" || change.state === "reverting";

export const mayRevert = (change: Change): boolean =>
  change.state === "applied" || change.state === "pending_restart";

/** `shared-buffers` → `Shared buffers`. */
export function kindWords(kind: string): string {
  const text = kind.replaceAll("-", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
