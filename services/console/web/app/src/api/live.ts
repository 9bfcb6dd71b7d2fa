// The one stream of events: opened while somebody listens, resumed after a break, shared by all of the page.
import { useEffect, useRef, useSyncExternalStore } from "react";
import { headersOf, pathWith, tellRefused } from "./client";
import { backOffMs, isWanted, makeParser, type ServerEvent } from "./sse";
import type { Figures } from "./types";

export type LivePhase = "connecting" | "live" | "reconnecting" | "disconnected";

export interface LiveState {
  phase: LivePhase;
  /** Since when it is in this phase. */
  sinceUnixMs: number;
}

export interface LiveEvent {
  kind: string;
  /** The `data:` of the event, read as JSON. */
  data: unknown;
}

type Handler = (event: LiveEvent) => void;

/** The server says something every second and beats every 10 s; silence of this length is a broken line. */
const SILENCE_MS = 25_000;
/** Until then a break is an interruption; after it the figures on the page are old, and the page says so. */
const PATIENCE_MS = 8000;

const handlers = new Set<{ kinds: readonly string[]; handler: Handler }>();
const watchers = new Set<() => void>();
let state: LiveState = { phase: "connecting", sinceUnixMs: Date.now() };
let figures: Figures | null = null;
let project = "";
let lastId = "";
let running: AbortController | null = null;
let wake: () => void = () => undefined;

let patience: ReturnType<typeof setTimeout> | undefined;

function setPhase(phase: LivePhase): void {
  if (state.phase === phase) return;
  clearTimeout(patience);
  if (phase === "reconnecting" || phase === "connecting") {
    patience = setTimeout(() => setPhase("disconnected"), PATIENCE_MS);
  }
  // Whoever has been reconnecting for a while is disconnected since the line broke.
  const sinceUnixMs = phase === "disconnected" ? state.sinceUnixMs : Date.now();
  state = { phase, sinceUnixMs };
  for (const watcher of watchers) watcher();
}

function deliver(raw: ServerEvent): void {
  if (raw.id) lastId = raw.id;
  let data: unknown;
  try {
    data = JSON.parse(raw.data);
  } catch {
    return;
  }
  if (raw.event === "figures") {
    figures = data as Figures;
    for (const watcher of watchers) watcher();
  }
  for (const { kinds, handler } of [...handlers]) {
    if (isWanted(raw.event, kinds)) handler({ kind: raw.event, data });
  }
}

async function read(body: ReadableStream<Uint8Array>, stop: AbortController): Promise<void> {
  const reader = body
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .getReader();
  const parser = makeParser();
  let silence = setTimeout(() => stop.abort(), SILENCE_MS);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(() => stop.abort(), SILENCE_MS);
      for (const event of parser.push(value)) deliver(event);
    }
  } finally {
    clearTimeout(silence);
  }
}

/** One connection, to its end. Says whether it ever got through. */
async function connect(outer: AbortSignal): Promise<boolean> {
  const stop = new AbortController();
  const signal = AbortSignal.any([outer, stop.signal]);
  const late = setTimeout(() => stop.abort(), SILENCE_MS);
  let isThrough = false;
  try {
    const response = await fetch(pathWith("/events", { project }), {
      headers: headersOf({ accept: "text/event-stream", "last-event-id": lastId }),
      cache: "no-store",
      signal,
    });
    clearTimeout(late);
    if (response.status === 401) tellRefused();
    if (!response.ok || !response.body) return false;
    isThrough = true;
    setPhase("live");
    await read(response.body, stop);
  } catch {
    // A broken line; the caller tries again.
  } finally {
    clearTimeout(late);
    stop.abort();
  }
  return isThrough;
}

async function run(signal: AbortSignal): Promise<void> {
  let attempt = 0;
  while (!signal.aborted) {
    const isThrough = await connect(signal);
    if (signal.aborted) return;
    attempt = isThrough ? 1 : attempt + 1;
    if (isThrough) setPhase("reconnecting");
    await pause(backOffMs(attempt, Math.random()), signal);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener("abort", wake, { once: true });
  });
}

/** A network that is back, or a tab that is looked at again, is worth an attempt at once. */
const hurry = () => {
  if (document.visibilityState === "visible") wake();
};

/** Opens the stream for a project; what was open before is closed. The figures of another project are forgotten. */
export function openLive(forProject: string): () => void {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  if (project !== forProject) {
    figures = null;
    lastId = "";
  }
  project = forProject;
  state = { phase: "live", sinceUnixMs: Date.now() };
  setPhase("connecting");
  addEventListener("online", hurry);
  document.addEventListener("visibilitychange", hurry);
  void run(mine.signal);
  return () => {
    mine.abort();
    removeEventListener("online", hurry);
    document.removeEventListener("visibilitychange", hurry);
  };
}

export function listen(kinds: readonly string[], handler: Handler): () => void {
  const entry = { kinds, handler };
  handlers.add(entry);
  return () => handlers.delete(entry);
}

const watch = (watcher: () => void) => {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
};

export const useLiveState = (): LiveState => useSyncExternalStore(watch, () => state);

/** The newest figures of the present project; null until the first came. */
export const useFigures = (): Figures | null => useSyncExternalStore(watch, () => figures);

/** Calls the handler with events of these kinds (`alert`, `job.progress`, `figures`, `gap`) while the component is there. */
export function useLive(kinds: readonly string[], handler: Handler): void {
  const latest = useRef(handler);
  useEffect(() => {
    latest.current = handler;
  });
  const key = kinds.join(" ");
  useEffect(() => listen(key.split(" "), (event) => latest.current(event)), [key]);
}
