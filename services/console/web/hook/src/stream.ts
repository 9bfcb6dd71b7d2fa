// The stream of events of one provider: open while somebody listens, resumed after a break, shared by all hooks.
import { type Client, headersOf, pathWith } from "./client.js";
import { Lookers } from "./lookers.js";
import { asProblem, type Problem, problemOf } from "./problem.js";
import { backOffMs, isWanted, makeParser, type ServerEvent } from "./sse.js";
import type { Figures } from "./types.js";

export type ConnectionPhase = "idle" | "connecting" | "live" | "reconnecting" | "disconnected";

export interface Connection {
  /** `disconnected`: broken for more than 8 s, so that figures are old; it is tried on all the same. */
  phase: ConnectionPhase;
  /** Since when it is in this phase. */
  sinceUnixMs: number;
  /** Why the last attempt failed. */
  problem: Problem | null;
}

export interface LiveEvent {
  /** Such as `alert.firing`, `job.progress`, `figures`, `gap`. */
  kind: string;
  /** The `data:` of the event, read as JSON. */
  data: unknown;
}

export type LiveHandler = (event: LiveEvent) => void;

/** The console says something each second and beats every 10 s; silence of this length is a broken line. */
const SILENCE_MS = 25_000;
const PATIENCE_MS = 8000;
/** A console that wants to be left alone for longer is asked all the same. */
const RETRY_AFTER_MAX_S = 60;

export class Stream {
  connection: Connection = { phase: "idle", sinceUnixMs: Date.now(), problem: null };
  figures: Figures | null = null;
  private readonly client: Client;
  private readonly lookers = new Lookers<() => void>((isOn) => (isOn ? this.open() : this.close()));
  private readonly handlers = new Set<{ kinds: readonly string[]; handler: LiveHandler }>();
  private running: AbortController | null = null;
  private patience: ReturnType<typeof setTimeout> | undefined;
  private wake: () => void = () => undefined;
  private lastId = "";
  private attempt = 0;
  private wasLive = false;

  constructor(client: Client) {
    this.client = client;
  }

  /** Is called when `connection` or `figures` have changed. */
  watch = (looker: () => void): (() => void) => this.lookers.add(looker);

  listen(kinds: readonly string[], handler: LiveHandler): () => void {
    const entry = { kinds, handler };
    this.handlers.add(entry);
    const leave = this.lookers.add(() => undefined);
    return () => {
      this.handlers.delete(entry);
      leave();
    };
  }

  private open(): void {
    this.running = new AbortController();
    this.attempt = 0;
    this.setPhase("connecting");
    globalThis.addEventListener?.("online", this.hurry);
    globalThis.document?.addEventListener("visibilitychange", this.hurry);
    void this.run(this.running.signal);
  }

  private close(): void {
    this.running?.abort();
    this.running = null;
    // What happened while nobody listened is not told later: whoever comes back reads lists anew.
    this.lastId = "";
    this.wasLive = false;
    this.figures = null;
    this.setPhase("idle");
    globalThis.removeEventListener?.("online", this.hurry);
    globalThis.document?.removeEventListener("visibilitychange", this.hurry);
  }

  private setPhase(phase: ConnectionPhase, problem: Problem | null = null): void {
    const before = this.connection;
    const isStill = before.phase === phase || (before.phase === "disconnected" && phase === "reconnecting");
    if (!isStill) {
      clearTimeout(this.patience);
      if (phase === "reconnecting" || phase === "connecting") {
        this.patience = setTimeout(() => this.setPhase("disconnected", this.connection.problem), PATIENCE_MS);
      }
    }
    // Whoever has been reconnecting for a while is disconnected since the line broke.
    const isSince = isStill || phase === "disconnected";
    this.connection = {
      phase: isStill ? before.phase : phase,
      sinceUnixMs: isSince ? before.sinceUnixMs : Date.now(),
      problem,
    };
    this.tell();
  }

  private tell(): void {
    for (const looker of this.lookers.list()) looker();
  }

  private async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const afterMs = await this.connect(signal);
      if (signal.aborted) return;
      this.attempt += 1;
      await this.pause(Math.max(afterMs, backOffMs(this.attempt, Math.random())), signal);
    }
  }

  /** One connection, to its end. Says how long the console wants to be left alone. */
  private async connect(outer: AbortSignal): Promise<number> {
    const stop = new AbortController();
    const signal = AbortSignal.any([outer, stop.signal]);
    let silence = setTimeout(() => stop.abort(), SILENCE_MS);
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => stop.abort(), SILENCE_MS);
    };
    let problem: Problem | null = null;
    let afterMs = 0;
    try {
      const response = await this.client.send(pathWith("/events", { project: this.client.project }), {
        headers: headersOf({ accept: "text/event-stream", "last-event-id": this.lastId }),
        signal,
      });
      if (!response.ok || !response.body) {
        afterMs = retryAfterMs(response);
        throw await problemOf(response);
      }
      this.greet();
      await this.read(response.body, heard);
    } catch (thrown) {
      // A line that was silent for too long is a broken one, and no fault to tell of.
      problem = signal.aborted ? null : asProblem(thrown);
    } finally {
      clearTimeout(silence);
      stop.abort();
    }
    if (!outer.aborted)
      this.setPhase(this.connection.phase === "connecting" ? "connecting" : "reconnecting", problem);
    return afterMs;
  }

  private greet(): void {
    const isBack = this.wasLive;
    this.wasLive = true;
    this.setPhase("live");
    // Without an id nothing is resumed, and nobody says what was missed.
    if (isBack && this.lastId === "") this.hand({ kind: "gap", data: { missed: null } });
  }

  private async read(body: ReadableStream<Uint8Array>, heard: () => void): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    const parser = makeParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      for (const event of parser.push(decoder.decode(value, { stream: true }))) this.deliver(event);
    }
  }

  private deliver(raw: ServerEvent): void {
    if (raw.id) this.lastId = raw.id;
    // Who only answers and hangs up is not tried more eagerly for that.
    this.attempt = 0;
    let data: unknown;
    try {
      data = JSON.parse(raw.data);
    } catch {
      return;
    }
    if (raw.event === "figures") {
      this.figures = data as Figures;
      this.tell();
    }
    this.hand({ kind: raw.event, data });
  }

  private hand(event: LiveEvent): void {
    for (const { kinds, handler } of [...this.handlers]) {
      if (!isWanted(event.kind, kinds)) continue;
      try {
        handler(event);
      } catch (thrown) {
        // A handler's fault is told as any other of the page, and costs nobody else the event.
        reportError(thrown);
      }
    }
  }

  private pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.wake = end;
      signal.addEventListener("abort", end);
    });
  }

  /** A network that is back, or a tab that is looked at again, is worth an attempt at once. */
  private readonly hurry = () => {
    if (globalThis.document?.visibilityState !== "hidden") this.wake();
  };
}

function retryAfterMs(response: Response): number {
  const seconds = Number(response.headers.get("retry-after") ?? 0);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), RETRY_AFTER_MAX_S) * 1000 : 0;
}
