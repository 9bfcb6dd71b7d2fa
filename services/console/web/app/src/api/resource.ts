// Answers that several components share, by path: asked once, kept while somebody looks, revalidated by ETag.
import { call } from "./client";
import { asProblem, type Problem } from "./problem";

export interface Snapshot {
  data: unknown;
  /** Why the last attempt failed; the data before it stays. */
  problem: Problem | null;
  isLoading: boolean;
  /** When the data was last known to be true. 0: never. */
  atUnixMs: number;
}

const NOTHING: Snapshot = { data: undefined, problem: null, isLoading: true, atUnixMs: 0 };
/** Answers kept for going back, when nobody looks at them. */
const KEPT_MAX = 40;

export class Resource {
  readonly path: string;
  snapshot: Snapshot = NOTHING;
  /** How long an answer is waited for; undefined: as long as for all. */
  timeoutMs: number | undefined;
  private etag: string | null = null;
  private listeners = new Set<() => void>();
  private flight: AbortController | null = null;

  constructor(path: string) {
    this.path = path;
  }

  get isWatched(): boolean {
    return this.listeners.size > 0;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
      if (!this.isWatched) this.giveUp();
    };
  };

  private set(next: Partial<Snapshot>): void {
    this.snapshot = { ...this.snapshot, ...next };
    for (const listener of this.listeners) listener();
  }

  private giveUp(): void {
    this.flight?.abort();
    this.flight = null;
  }

  /** Asks, unless it is being asked. `isFresh`: what is under way began too early and is given up. */
  async load(isFresh = false): Promise<void> {
    if (this.flight && !isFresh) return;
    this.giveUp();
    const mine = new AbortController();
    this.flight = mine;
    this.set({ isLoading: true });
    try {
      const answer = await call(this.path, {
        signal: mine.signal,
        ...(this.timeoutMs ? { timeoutMs: this.timeoutMs } : {}),
        etag: this.snapshot.data === undefined ? null : this.etag,
      });
      if (this.flight !== mine) return;
      this.etag = answer.etag;
      const data = answer.status === 304 ? this.snapshot.data : answer.data;
      this.set({ data, problem: null, isLoading: false, atUnixMs: Date.now() });
    } catch (thrown) {
      if (this.flight !== mine) return;
      this.set({ problem: asProblem(thrown), isLoading: false });
    } finally {
      if (this.flight === mine) this.flight = null;
    }
  }
}

const resources = new Map<string, Resource>();

export function resourceOf(path: string): Resource {
  const known = resources.get(path);
  if (known) {
    // The order of the map is the order of use.
    resources.delete(path);
    resources.set(path, known);
    return known;
  }
  const made = new Resource(path);
  resources.set(path, made);
  for (const [key, old] of resources) {
    if (resources.size <= KEPT_MAX) break;
    if (!old.isWatched && key !== path) resources.delete(key);
  }
  return made;
}

/** Forgets everything: another caller must not see what this one saw. */
export function forgetAll(): void {
  resources.clear();
}

/** Asks anew for everything on the page whose path begins so: after a change, or when events were missed. */
export function refresh(prefix = "/"): void {
  for (const resource of resources.values()) {
    if (resource.isWatched && resource.path.startsWith(prefix)) void resource.load(true);
  }
}
