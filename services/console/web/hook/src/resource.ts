// Answers that several components share, by path: asked once, kept while somebody looks, revalidated by ETag.
import type { Client } from "./client.js";
import { Lookers } from "./lookers.js";
import { asProblem, type Problem } from "./problem.js";

export interface Snapshot {
  data: unknown;
  /** Why the last attempt failed; the data before it stays. */
  problem: Problem | null;
  isLoading: boolean;
  /** When the data was last known to be true. 0: never. */
  atUnixMs: number;
}

const NOTHING: Snapshot = { data: undefined, problem: null, isLoading: true, atUnixMs: 0 };

export class Resource {
  readonly path: string;
  snapshot: Snapshot = NOTHING;
  private readonly client: Client;
  private readonly lookers: Lookers<() => void>;
  private etag: string | null = null;
  private flight: AbortController | null = null;

  constructor(client: Client, path: string, ended: () => void) {
    this.client = client;
    this.path = path;
    this.lookers = new Lookers((isOn) => {
      if (isOn) return void this.load();
      this.giveUp();
      ended();
    });
  }

  subscribe = (looker: () => void): (() => void) => this.lookers.add(looker);

  /** Asks, unless it is being asked. `isFresh`: what is under way began too early and is given up. */
  async load(isFresh = false): Promise<void> {
    if (this.lookers.size === 0 || (this.flight && !isFresh)) return;
    this.giveUp();
    const mine = new AbortController();
    this.flight = mine;
    this.set({ isLoading: true });
    try {
      const { data, etag } = await this.client.call(this.path, {
        signal: mine.signal,
        headers: { "if-none-match": this.etag },
      });
      if (this.flight !== mine) return;
      this.etag = etag ?? this.etag;
      this.set({ data: data ?? this.snapshot.data, problem: null, isLoading: false, atUnixMs: Date.now() });
    } catch (thrown) {
      if (this.flight === mine) this.set({ problem: asProblem(thrown), isLoading: false });
    } finally {
      if (this.flight === mine) this.flight = null;
    }
  }

  private set(next: Partial<Snapshot>): void {
    this.snapshot = { ...this.snapshot, ...next };
    for (const looker of this.lookers.list()) looker();
  }

  private giveUp(): void {
    this.flight?.abort();
    this.flight = null;
  }
}

/** What a provider's components look at. An answer that nobody looks at any more is forgotten. */
export class Resources {
  private readonly client: Client;
  private readonly byPath = new Map<string, Resource>();

  constructor(client: Client) {
    this.client = client;
  }

  /** What is known of it. To look at it is another matter: see `subscribe`. */
  snapshot(path: string): Snapshot {
    return this.byPath.get(path)?.snapshot ?? NOTHING;
  }

  subscribe(path: string, looker: () => void): () => void {
    return this.of(path).subscribe(looker);
  }

  load(path: string, isFresh = false): void {
    void this.byPath.get(path)?.load(isFresh);
  }

  private of(path: string): Resource {
    const known = this.byPath.get(path);
    if (known) return known;
    const made = new Resource(this.client, path, () => {
      if (this.byPath.get(path) === made) this.byPath.delete(path);
    });
    this.byPath.set(path, made);
    return made;
  }

  /** Asks anew for everything looked at whose path begins so: after a change. */
  refresh(prefix: string): void {
    for (const resource of this.byPath.values())
      if (resource.path.startsWith(prefix)) void resource.load(true);
  }
}
