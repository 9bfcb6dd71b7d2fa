// The alerts of the present project as they fire now: the list, and what events told since; new ones are announced.
import { useEffect, useRef, useState } from "react";
import { type Alert, type AlertsResponse, type ApiState, pathWith, useApi, useLive, useProject } from "@/api";
import { type Told, tell, withTold } from "./firing";
import { ALERTS } from "./types";

const NOTHING: Told = new Map();

export interface Firing {
  state: ApiState<Alert[]>;
  /** For those who hear the page: what has begun or ended since it was opened. */
  announced: string;
}

export function useFiring(): Firing {
  const project = useProject();
  const list = useApi<AlertsResponse>(pathWith(ALERTS, { state: "firing", limit: 500 }), {
    every: 15,
    on: ["alert"],
    scoped: true,
  });
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

  const alerts = list.data ? withTold(list.data.alerts, told, list.atUnixMs) : undefined;
  known.current = alerts ?? known.current;
  return { state: { ...list, data: alerts }, announced };
}

function wordsOf(kind: string, data: unknown, known: readonly Alert[]): string {
  const alert = (data as { data: { id: string; summary?: string; severity?: string; rule: string } }).data;
  // What is critical is told on every page, by the shell.
  if (kind === "alert.firing")
    return alert.severity === "critical" ? "" : `New ${alert.severity} alert: ${alert.summary}`;
  const ended = known.find((one) => one.id === alert.id);
  return `Resolved: ${ended?.summary ?? alert.rule}`;
}
