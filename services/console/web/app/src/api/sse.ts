// Reads a stream of server-sent events. Pure: text in, events out.

export interface ServerEvent {
  id: string;
  event: string;
  data: string;
}

export interface Parser {
  /** Takes the next piece of text, wherever it was cut, and gives the events that are whole now. */
  push: (text: string) => ServerEvent[];
}

export function makeParser(): Parser {
  let rest = "";
  let id = "";
  let event = "";
  let data: string[] = [];

  const line = (text: string): ServerEvent | null => {
    if (text === "") return finish();
    if (text.startsWith(":")) return null;
    const colon = text.indexOf(":");
    const field = colon === -1 ? text : text.slice(0, colon);
    const value = colon === -1 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (field === "data") data.push(value);
    else if (field === "event") event = value;
    else if (field === "id" && !value.includes("\0")) id = value;
    return null;
  };

  const finish = (): ServerEvent | null => {
    const made = data.length === 0 ? null : { id, event: event || "message", data: data.join("\n") };
    event = "";
    data = [];
    return made;
  };

  return {
    push(text) {
      rest += text;
      // A line may end with \r\n; a \r at the very end waits for what follows.
      const end = rest.endsWith("\r") ? rest.length - 1 : rest.length;
      const lines = rest.slice(0, end).split(/\r\n|\n|\r/);
      const last = lines.pop() ?? "";
      rest = last + rest.slice(end);
      return lines.map(line).filter((made) => made !== null);
    },
  };
}

/** Whether a kind of event is among the wanted ones: whole (`alert.firing`) or by its first word (`alert`). */
export const isWanted = (kind: string, wanted: readonly string[]): boolean =>
  wanted.some((one) => one === kind || kind.startsWith(`${one}.`));

/** How long to wait before attempt n (from 1): doubling from half a second to 15 s, of which a random half is taken off. */
export function backOffMs(attempt: number, random: number): number {
  const full = Math.min(15_000, 500 * 2 ** Math.min(attempt - 1, 10));
  return Math.round(full * (1 - random / 2));
}
