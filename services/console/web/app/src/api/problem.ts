// What can go wrong with a call, as one class: a problem document (RFC 9457), no answer, too late.

export interface ProblemDocument {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  slug?: string;
}

export class Problem extends Error {
  /** HTTP's status. 0: there was no answer. */
  readonly status: number;
  /** The error's name in the reference of errors; `unreachable` and `timed-out` are the browser's own. */
  readonly slug: string;
  readonly title: string;
  readonly type: string;

  constructor(status: number, document: ProblemDocument) {
    super(document.detail || document.title || `The console answered ${status}.`);
    this.name = "Problem";
    this.status = status;
    this.slug = document.slug ?? "";
    this.title = document.title ?? `Status ${status}`;
    this.type = document.type ?? "";
  }

  /** Whether asking again later may help. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export const unreachable = () =>
  new Problem(0, {
    slug: "unreachable",
    title: "No answer",
    detail: "The console cannot be reached. It is asked again until it answers.",
  });

export const timedOut = (afterMs: number) =>
  new Problem(0, {
    slug: "timed-out",
    title: "Too late",
    detail: `The console did not answer within ${Math.round(afterMs / 1000)} s.`,
  });

/** Whatever was thrown, as a problem. */
export function asProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  return new Problem(0, {
    title: "Unexpected",
    detail: thrown instanceof Error ? thrown.message : String(thrown),
  });
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
