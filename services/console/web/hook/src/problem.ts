// What can go wrong with a call, as one class: a problem document (RFC 9457), no answer, too late.
import type { components } from "./schema.js";

export type ProblemDocument = Partial<components["schemas"]["console.Problem"]>;

export class Problem extends Error {
  /** HTTP's status. 0: there was no answer. */
  readonly status: number;
  /** The error's name in the reference of errors; `unreachable`, `timed-out` and `no-token` come from here. */
  readonly slug: string;
  readonly title: string;
  /** Where the error is explained. */
  readonly type: string;

  constructor(status: number, document: ProblemDocument) {
    super(document.detail || document.title || `The console answered ${status}.`);
    this.name = "Problem";
    this.status = status;
    this.slug = document.slug ?? "";
    this.title = document.title || `Status ${status}`;
    this.type = document.type ?? "";
  }

  /** Whether asking again later may help. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export const unreachable = () =>
  new Problem(0, { slug: "unreachable", title: "No answer", detail: "The console cannot be reached." });

export const timedOut = (afterMs: number) =>
  new Problem(0, {
    slug: "timed-out",
    title: "Too late",
    detail: `The console did not answer within ${Math.round(afterMs / 1000)} s.`,
  });

export const noToken = (thrown: unknown) =>
  new Problem(0, {
    slug: "no-token",
    title: "No token",
    detail: `The token cannot be had: ${wordsOf(thrown)}`,
  });

const wordsOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

/** Whatever was thrown, as a problem. */
export function asProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  return new Problem(0, { slug: "unexpected", title: "Unexpected", detail: wordsOf(thrown) });
}

export async function problemOf(response: Response): Promise<Problem> {
  const kind = response.headers.get("content-type") ?? "";
  if (!kind.includes("json")) return new Problem(response.status, { title: response.statusText });
  try {
    return new Problem(response.status, (await response.json()) as ProblemDocument);
  } catch {
    return new Problem(response.status, { title: response.statusText });
  }
}
