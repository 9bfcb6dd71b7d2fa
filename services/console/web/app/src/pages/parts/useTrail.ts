// The last hour of figures of the chosen project, kept going by the live stream.
import { type DashboardResponse, type HistoryPoint, useApi } from "@/api";
import { useHour } from "../overview/useHour";

export function useTrail(): readonly HistoryPoint[] {
  const remembered = useApi<DashboardResponse>("/database/monitoring/dashboard", {
    scoped: true,
    every: 300,
  });
  return useHour(remembered.data).points;
}
