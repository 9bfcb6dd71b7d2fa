// The live stream beside the page: when an event was there to be had.
import { URL_OF_WEIR } from "./stage";

interface Told {
  data: unknown;
  atUnixMs: number;
}

interface First {
  isOpen: Promise<void>;
  data: Promise<Told>;
}

const WITHIN_MS = 60_000;

/** The first event of a kind from now on, and the moment it came. */
export function firstEvent(kind: string, who: { project: string; token: string }): First {
  const stop = AbortSignal.timeout(WITHIN_MS);
  const opened = fetch(`${URL_OF_WEIR}/events?project=${encodeURIComponent(who.project)}&kind=${kind}`, {
    headers: {
      accept: "text/event-stream",
      ...(who.token ? { authorization: `Bearer ${who.token}` } : {}),
    },
    signal: stop,
  });
  const data = opened.then(async ({ body }) => {
    if (!body) throw new Error("the stream has no body");
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`the stream ended without ${kind}`);
      text += decoder.decode(value, { stream: true });
      const found = findEvent(text, kind);
      if (found === null) continue;
      const atUnixMs = Date.now();
      await reader.cancel();
      return { data: found, atUnixMs };
    }
  });
  return { isOpen: opened.then(() => undefined), data };
}

function findEvent(text: string, kind: string): unknown {
  for (const block of text.split("\n\n").slice(0, -1)) {
    const lines = block.split("\n");
    if (!lines.includes(`event: ${kind}`)) continue;
    const data = lines.find((line) => line.startsWith("data: "));
    if (data) return JSON.parse(data.slice("data: ".length)) as unknown;
  }
  return null;
}
