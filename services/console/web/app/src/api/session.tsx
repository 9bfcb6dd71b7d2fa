// Who looks at the dashboard, and at which project. Without a session there is the login page and nothing else.
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from "react";
import { navigate, usePlace } from "@/router/history";
import { api, onRefused } from "./client";
import { openLive } from "./live";
import { asProblem, type Problem } from "./problem";
import { forgetAll } from "./resource";
import { keepToken, readToken } from "./token";
import type { Session } from "./types";

interface SessionValue {
  session: Session;
  project: string;
  setProject: (project: string) => void;
  /** Whether the caller may change anything. */
  mayChange: boolean;
  /** Whether the caller is the operator of the whole server, not of one project. */
  isOperator: boolean;
  leave: () => void;
}

const SessionContext = createContext<SessionValue | null>(null);
const PROJECT_KEY = "weir.project";

export function useSession(): SessionValue {
  const value = useContext(SessionContext);
  if (!value) throw new Error("useSession outside of a session");
  return value;
}

/** The project chosen in the header. */
export const useProject = (): string => useContext(SessionContext)?.project ?? "";

export type SessionState =
  | { step: "asking" }
  | { step: "refused" }
  | { step: "failed"; problem: Problem }
  | { step: "in"; session: Session };

const RETRY_MS = 3000;

export interface SessionHold {
  state: SessionState;
  ask: () => void;
  /** The console has said who one is. */
  enter: (session: Session) => void;
  leave: () => void;
}

/** Asks who one is, again and again until there is an answer. */
export function useSessionState(): SessionHold {
  const [state, setState] = useState<SessionState>({ step: "asking" });
  const [asked, setAsked] = useState(0);
  const ask = useCallback(() => setAsked((before) => before + 1), []);

  useEffect(() => {
    void asked;
    const stop = new AbortController();
    api
      .get<Session>("/session", { signal: stop.signal })
      .then((session) => setState({ step: "in", session }))
      .catch((thrown: unknown) => {
        if (stop.signal.aborted) return;
        const problem = asProblem(thrown);
        setState(problem.status === 401 ? { step: "refused" } : { step: "failed", problem });
      });
    return () => stop.abort();
  }, [asked]);

  useEffect(() => {
    if (state.step !== "failed") return;
    const timer = setTimeout(ask, RETRY_MS);
    return () => clearTimeout(timer);
  }, [state, ask]);

  const refuse = useCallback(() => {
    forgetAll();
    setState({ step: "refused" });
  }, []);
  useEffect(() => onRefused(refuse), [refuse]);

  const enter = useCallback((session: Session) => setState({ step: "in", session }), []);
  const leave = useCallback(() => {
    keepToken(null);
    refuse();
    navigate("/login");
  }, [refuse]);
  return { state, ask, enter, leave };
}

function firstProject(session: Session): string {
  const choices = projectsOf(session);
  const asked =
    new URLSearchParams(location.search).get("project") ?? localStorage.getItem(PROJECT_KEY) ?? "";
  if (choices.includes(asked)) return asked;
  return choices.includes("default") ? "default" : (choices[0] ?? "default");
}

export const projectsOf = (session: Session): string[] =>
  session.project === null ? session.projects : [session.project];

export function SessionProvider({
  session,
  leave,
  children,
}: {
  session: Session;
  leave: () => void;
  children: ReactNode;
}) {
  const [project, choose] = useState(() => firstProject(session));
  useEffect(() => openLive(project), [project]);

  const setProject = useCallback((next: string) => {
    localStorage.setItem(PROJECT_KEY, next);
    choose(next);
  }, []);

  const value = useMemo<SessionValue>(
    () => ({
      session,
      project,
      setProject,
      mayChange: session.role === "operator",
      isOperator: session.project === null,
      leave,
    }),
    [session, project, setProject, leave],
  );
  return <SessionContext value={value}>{children}</SessionContext>;
}

/** Where to go after the login: back to where the token was refused. */
export function useReturnTo(): string {
  const { search } = usePlace();
  const to = new URLSearchParams(search).get("to") ?? "/";
  // Only paths of this site: `//elsewhere` is another one.
  return to.startsWith("/") && !to.startsWith("//") && !to.startsWith("/\\") ? to : "/";
}

export const hasToken = (): boolean => readToken() !== null;
