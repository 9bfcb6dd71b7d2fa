// For tests of what talks to the console: a real server on a free port, and components without a page around them.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createElement, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { setBase } from "./testing.dom";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface TestServer {
  handle: Handler;
  close: () => Promise<void>;
}

/** A server that answers as it is told, to which paths without a host go. */
export async function startServer(): Promise<TestServer> {
  const made: TestServer = { handle: (_, response) => response.end(), close: async () => undefined };
  const server: Server = createServer((request, response) => made.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  setBase(`http://127.0.0.1:${port}/`);
  made.close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  return made;
}

export function json(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

interface Seen<T> {
  current: T | undefined;
}

function Caller<T>({ hook, seen }: { hook: () => T; seen: Seen<T> }): ReactNode {
  seen.current = hook();
  return null;
}

/** Calls a hook in a component, and keeps what it last said. */
export function renderHook<T>(hook: () => T) {
  const seen: Seen<T> = { current: undefined };
  const root = createRoot(document.createElement("div"));
  root.render(createElement(Caller<T>, { hook, seen }));
  return { seen, unmount: () => root.unmount() };
}
