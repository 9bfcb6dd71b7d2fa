// A console for tests: a real HTTP server that speaks JSON, problem documents and the event stream.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

export interface Line {
  url: string;
  lastId: string;
  token: string;
  response: ServerResponse;
  isOpen: boolean;
}

export interface Asked {
  method: string;
  /** The path without its query. */
  path: string;
  url: string;
  token: string;
  body: string;
  response: ServerResponse;
  isOpen: boolean;
}

export class TestConsole {
  url = "";
  /** Answers by path; what is a function answers itself. */
  answers: Record<string, unknown> = {};
  /** Every call but /events. */
  asked: Asked[] = [];
  /** Every stream, the open and the ended. */
  lines: Line[] = [];
  /** Which tokens are taken. */
  isTaken: (token: string) => boolean = () => true;
  private readonly server = createServer((request, response) => void this.handle(request, response));

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    const address = this.server.address();
    this.url = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
    return this;
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  times(path: string): number {
    return this.asked.filter((one) => one.path === path).length;
  }

  say(at: number, id: string, event: string, data: unknown): void {
    const head = id ? `id: ${id}\n` : "";
    this.lines[at]?.response.write(`${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? "";
    const token = request.headers.authorization ?? "";
    const path = url.split("?")[0] ?? "";
    let body = "";
    for await (const piece of request) body += String(piece);
    if (!this.isTaken(token)) {
      problem(response, 401, "token-unknown", "There is no such token.");
      return;
    }
    if (path === "/events") this.stream(request, response, url, token);
    else this.answer({ method: request.method ?? "", path, url, token, body, response, isOpen: true });
  }

  private stream(request: IncomingMessage, response: ServerResponse, url: string, token: string): void {
    const line = {
      url,
      token,
      lastId: String(request.headers["last-event-id"] ?? ""),
      response,
      isOpen: true,
    };
    response.on("close", () => {
      line.isOpen = false;
    });
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(": hello\n\n");
    this.lines.push(line);
  }

  private answer(asked: Asked): void {
    asked.response.on("close", () => {
      asked.isOpen = false;
    });
    this.asked.push(asked);
    const answer = this.answers[asked.path];
    if (typeof answer === "function") answer(asked.response, asked);
    else if (answer === undefined) problem(asked.response, 404, "not-found", `There is no ${asked.path}.`);
    else json(asked.response, 200, answer);
  }
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

export function problem(response: ServerResponse, status: number, slug: string, detail: string): void {
  response.writeHead(status, { "content-type": "application/problem+json" });
  response.end(JSON.stringify({ type: `/docs/errors#${slug}`, title: "No", status, detail, slug }));
}
