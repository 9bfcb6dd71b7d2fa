// The alerts of the present project as they fire now: the list, and what events told since; new ones are announced.
import { useEffect, useRef, useState } from "react";
import {
  type Alert,
  type AlertsResponse,
  type ApiState,
  type Pages,
  pathWith,
  useLive,
  usePages,
  useProject,
} from "@/api";
import { type Told, tell, withTold } from "./firing";
import { ALERTS } from "./types";

const NOTHING: Told = new Map();

export interface Firing {
  state: ApiState<Alert[]>;
  /** How the list goes on. */
  pages: Pages<Alert, AlertsResponse>;
  /** For those who hear the page: what has begun or ended since it was opened. */
  announced: string;
}

/** The alerts in a state, page by page; each may end at any time. */
export const useAlertPages = (state: string, project: string, every: number) =>
  usePages<AlertsResponse, Alert>(pathWith(ALERTS, { state, project, limit: 500 }), {
    rowsOf: (answer) => answer.alerts,
    keyOf: (alert) => alert.id,
    on: ["alert"],
    ranked: true,
    every,
  });

export function useFiring(): Firing {
  const project = useProject();
  const pages = useAlertPages("firing", project, 15);
  const list = pages.state;
  const [told, setTold] = useState<Told>(NOTHING);
  const [announced, announce] = useState("");
  const known = useRef<Alert[]>([]);

  useEffect(() => {
    void project;
    setTold(NOTHING);
    announce("");
  }, [project]);

  useLive(["alert"], (event) => {
    const next = tell(told, event, Date.now());
    if (next === told) return;
    setTold((before) => tell(before, event, Date.now()));
    announce(wordsOf(event.kind, event.data, known.current));
  });

  const alerts = list.data ? withTold(list.data, told, list.atUnixMs) : undefined;
  known.current = alerts ?? known.current;
  return { state: { ...list, data: alerts }, pages, announced };
}

function wordsOf(kind: string, data: unknown, known: readonly Alert[]): string {
  const alert = (data as { data: { id: string; summary?: string; severity?: string; rule: string } }).data;
  // What is critical is told on every page, by the shell.
  if (kind === "alert.firing")
    return alert.severity === "critical" ? "" : `New ${alert.severity} alert: ${alert.summary}`;
  const ended = known.find((one) => one.id === alert.id);
  return `Resolved: ${ended?.summary ?? alert.rule}`;
}
