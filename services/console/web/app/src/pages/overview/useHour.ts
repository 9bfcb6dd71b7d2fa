// The last hour and this second, kept by live figures.
import { useMemo, useState } from "react";
import {
  type DashboardResponse,
  type Figures,
  type HistoryPoint,
  useFigures,
  useLive,
  useProject,
} from "@/api";
import { addPoint, mergePoints, pointOf } from "./history";

const NONE: HistoryPoint[] = [];

export interface Hour {
  points: HistoryPoint[];
  figures: Figures | null;
}

export function useHour(data: DashboardResponse | undefined): Hour {
  const project = useProject();
  const [live, setLive] = useState({ project, points: NONE });
  useLive(["figures"], (event) => {
    const point = pointOf(event.data as Figures);
    setLive((before) => ({
      project,
      points: addPoint(before.project === project ? before.points : NONE, point),
    }));
  });
  const newest = useFigures();
  const points = useMemo(
    () => mergePoints(data?.history ?? NONE, live.project === project ? live.points : NONE),
    [data?.history, live, project],
  );
  return { points, figures: newest ?? data?.figures ?? null };
}
