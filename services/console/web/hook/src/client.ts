// Calls to one console: address, token, time-outs, problem documents, ETags.
import { noToken, problemOf, timedOut, unreachable } from "./problem.js";

/** A token, or what gives one: asked at first, and again after the console has refused the last. */
export type TokenSource = string | (() => string | Promise<string>) | undefined;

const TIMEOUT_MS = 20_000;

export interface CallOptions {
  method?: "GET" | "POST";
  body?: unknown;
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
  headers?: Record<string, string | null>;
}

export interface Answered {
  /** undefined: nothing has changed since the answer with the given ETag. */
  data: unknown;
  etag: string | null;
}

export type Query = Record<
  string,
  string | number | boolean | readonly (string | number)[] | null | undefined
>;

export class Client {
  private readonly base: string;
  private token: Promise<string> | null = null;
  readonly project: string | undefined;
  private readonly source: () => TokenSource;

  constructor(url: string, project: string | undefined, source: () => TokenSource) {
    this.base = url.replace(/\/+$/, "");
    this.project = project;
    this.source = source;
  }

  /** Sends it with the token; a refused token of a function is asked for anew, once. The caller minds the time. */
  async send(path: string, init: RequestInit & { signal: AbortSignal }): Promise<Response> {
    const first = this.takeToken();
    const response = await this.sendWith(await ended(first, init.signal), path, init);
    if (response.status !== 401 || typeof this.source() !== "function") return response;
    await response.body?.cancel();
    // Of several calls that were refused at once, the first forgets the token, and all take the next.
    if (this.token === first) this.token = null;
    return this.sendWith(await ended(this.takeToken(), init.signal), path, init);
  }

  async call(path: string, options: CallOptions = {}): Promise<Answered> {
    const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    const late = AbortSignal.timeout(timeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, late]) : late;
    const hasBody = options.body !== undefined;
    try {
      const response = await this.send(path, {
        method: options.method ?? "GET",
        headers: headersOf({
          accept: "application/json",
          "content-type": hasBody ? "application/json" : null,
          ...options.headers,
        }),
        body: hasBody ? JSON.stringify(options.body) : null,
        signal,
      });
      return await read(response);
    } catch (thrown) {
      if (late.aborted && !options.signal?.aborted) throw timedOut(timeoutMs);
      throw thrown;
    }
  }

  private takeToken(): Promise<string> {
    const source = this.source();
    if (typeof source !== "function") return Promise.resolve(source ?? "");
    if (!this.token) {
      const asked = Promise.resolve().then(source);
      this.token = asked;
      // What failed is asked for again by the next call.
      asked.catch(() => {
        if (this.token === asked) this.token = null;
      });
    }
    return this.token;
  }

  private async sendWith(
    token: string,
    path: string,
    init: RequestInit & { signal: AbortSignal },
  ): Promise<Response> {
    const headers = new Headers(init.headers);
    if (token) headers.set("authorization", `Bearer ${token}`);
    try {
      return await fetch(this.base + path, { ...init, headers, cache: "no-store" });
    } catch (thrown) {
      throw init.signal.aborted ? thrown : unreachable();
    }
  }
}

/** The token, unless the call is given up before it comes. */
function ended(token: Promise<string>, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason);
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    token
      .then(resolve, (thrown: unknown) => reject(noToken(thrown)))
      .finally(() => signal.removeEventListener("abort", giveUp));
  });
}

export function headersOf(given: Record<string, string | null>): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(given)) if (value) headers.set(name, value);
  return headers;
}

async function read(response: Response): Promise<Answered> {
  const etag = response.headers.get("etag");
  if (response.status === 304) return { data: undefined, etag };
  if (!response.ok) throw await problemOf(response);
  return { data: await response.json(), etag };
}

/** A path with a query string; what is null, undefined or empty is left out, lists are repeated. */
export function pathWith(path: string, query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter((one) => one !== null && one !== undefined && one !== "")
      .map((one) => [name, String(one)]),
  );
  return pairs.length === 0 ? path : `${path}?${new URLSearchParams(pairs)}`;
}

/** Fills what stands in braces. */
export function filled(path: string, params: Record<string, string> | undefined): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params?.[name] ?? ""));
}
