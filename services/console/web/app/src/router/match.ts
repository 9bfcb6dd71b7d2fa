// Which route a path belongs to. Pure.

export type Params = Record<string, string>;

/** The parameters of a path under a pattern such as `/queries/:fingerprint`; null where it does not fit. */
export function match(pattern: string, path: string): Params | null {
  const wanted = parts(pattern);
  const given = parts(path);
  if (wanted.length !== given.length) return null;
  const params: Params = {};
  for (const [index, part] of wanted.entries()) {
    const text = given[index] ?? "";
    if (part.startsWith(":")) params[part.slice(1)] = decode(text);
    else if (part !== text) return null;
  }
  return params;
}

const parts = (path: string): string[] => path.split("/").filter((part) => part !== "");

/** A path that nobody wrote on purpose must not break the page. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A query string with some values changed; null and the empty text take a value out. */
export function withQuery(search: string, changes: Record<string, string | null>): string {
  const query = new URLSearchParams(search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
