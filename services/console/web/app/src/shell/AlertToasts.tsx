// Says it on every page when something critical begins to fire.
import { useLive } from "@/api/live";
import type { BusEvent } from "@/api/types";
import { toast } from "@/ui/Toast";

interface Firing {
  severity: string;
  summary: string;
}

export function AlertToasts() {
  useLive(["alert.firing"], (event) => {
    const { severity, summary } = (event.data as BusEvent<Firing>).data;
    if (severity === "critical") toast(summary, "bad");
  });
  return null;
}
