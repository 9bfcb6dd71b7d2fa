// Calls to the console: token, time-outs, problem documents, ETags. It keeps nothing but the token.
import { problemOf, timedOut, unreachable } from "./problem";
import { readToken } from "./token";

const TIMEOUT_MS = 20_000;

export interface CallOptions {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  body?: unknown;
  signal?: AbortSignal;
  timeoutMs?: number;
  etag?: string | null;
}

export interface Answer<T> {
  /** undefined: nothing has changed since the answer with the given ETag. */
  data: T | undefined;
  etag: string | null;
  status: number;
  location: string | null;
}

type Listener = () => void;
const refused = new Set<Listener>();

/** Is called whenever the console does not accept the token. */
export function onRefused(listener: Listener): () => void {
  refused.add(listener);
  return () => refused.delete(listener);
}

export function tellRefused(): void {
  for (const listener of refused) listener();
}

export function headersOf(extra: Record<string, string | null | undefined>): Headers {
  const headers = new Headers();
  const token = readToken();
  if (token) headers.set("authorization", `Bearer ${token}`);
  for (const [name, value] of Object.entries(extra)) if (value) headers.set(name, value);
  return headers;
}

async function send(path: string, options: CallOptions): Promise<Response> {
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const late = AbortSignal.timeout(timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, late]) : late;
  const hasBody = options.body !== undefined;
  try {
    return await fetch(path, {
      method: options.method ?? "GET",
      headers: headersOf({
        accept: "application/json",
        "content-type": hasBody ? "application/json" : null,
        "if-none-match": options.etag,
      }),
      body: hasBody ? JSON.stringify(options.body) : null,
      signal,
      cache: "no-store",
    });
  } catch (thrown) {
    if (options.signal?.aborted) throw thrown;
    throw late.aborted ? timedOut(timeoutMs) : unreachable();
  }
}

export async function call<T>(path: string, options: CallOptions = {}): Promise<Answer<T>> {
  const response = await send(path, options);
  const etag = response.headers.get("etag");
  const location = response.headers.get("location");
  const base = { etag, status: response.status, location };
  if (response.status === 304) return { ...base, etag: etag ?? options.etag ?? null, data: undefined };
  if (!response.ok) {
    const problem = await problemOf(response);
    if (problem.status === 401) tellRefused();
    throw problem;
  }
  if (response.status === 204) return { ...base, data: undefined };
  return { ...base, data: (await response.json()) as T };
}

const dataOf = async <T>(answer: Promise<Answer<T>>): Promise<T> => (await answer).data as T;

/** The short forms that pages use for changes. */
export const api = {
  get: <T>(path: string, options?: CallOptions) => dataOf<T>(call(path, options)),
  post: <T>(path: string, body: unknown = {}, options?: CallOptions) =>
    dataOf<T>(call(path, { ...options, method: "POST", body })),
  put: <T>(path: string, body: unknown, options?: CallOptions) =>
    dataOf<T>(call(path, { ...options, method: "PUT", body })),
  delete: <T>(path: string, options?: CallOptions) => dataOf<T>(call(path, { ...options, method: "DELETE" })),
};

/** A path with a query string; what is null, undefined or empty is left out. */
export function pathWith(
  path: string,
  query: Record<string, string | number | boolean | null | undefined>,
): string {
  const pairs = Object.entries(query).filter(
    ([, value]) => value !== null && value !== undefined && value !== "",
  );
  if (pairs.length === 0) return path;
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString();
  return `${path}${path.includes("?") ? "&" : "?"}${text}`;
}
