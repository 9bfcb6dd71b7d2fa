// The token of this tab. It is kept for as long as the tab is, and nowhere else.

const KEY = "weir.token";
let token: string | null = null;

try {
  token = sessionStorage.getItem(KEY);
} catch {
  // Storage is forbidden: the token lives as long as the page.
}

export const readToken = (): string | null => token;

export function keepToken(next: string | null): void {
  token = next;
  try {
    if (next === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, next);
  } catch {
    // As above.
  }
}
