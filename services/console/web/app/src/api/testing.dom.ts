// For tests: a document for React, beside the fetch, streams and aborts of Node, which are those of browsers.
import { Window } from "happy-dom";

const made = new Window({ url: "http://127.0.0.1/" });
const real = globalThis.fetch;
let base = "http://127.0.0.1/";

/** Paths without a host go to this server from now on. */
export function setBase(url: string): void {
  base = url;
}

Object.assign(globalThis, {
  window: made,
  document: made.document,
  navigator: made.navigator,
  addEventListener: made.addEventListener.bind(made),
  removeEventListener: made.removeEventListener.bind(made),
  fetch: (path: string, init?: RequestInit) => real(new URL(path, base), init),
});
