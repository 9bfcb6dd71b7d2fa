// A document for React, beside the fetch, streams and aborts of Node, which are those of browsers.
import { Window } from "happy-dom";

const made = new Window({ url: "http://127.0.0.1/" });

Object.assign(globalThis, {
  window: made,
  document: made.document,
  navigator: made.navigator,
  addEventListener: made.addEventListener.bind(made),
  removeEventListener: made.removeEventListener.bind(made),
});
