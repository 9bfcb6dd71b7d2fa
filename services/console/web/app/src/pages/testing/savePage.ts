// Saves a report as one page: a link would go without the token.
import { api } from "@/api";
import { headersOf } from "@/api/client";
import { problemOf } from "@/api/problem";
import { REPORTS, type Report } from "./types";

export async function savePage(report: Report): Promise<void> {
  const response = await fetch(`${REPORTS}/${report.id}/page`, {
    headers: headersOf({ accept: "text/html" }),
    cache: "no-store",
  });
  if (!response.ok) throw await problemOf(response);
  save(await response.blob(), `weir-report-${report.id}.html`);
}

export async function saveJson(report: Report): Promise<void> {
  const whole = await api.get<Report>(`${REPORTS}/${report.id}`);
  const text = JSON.stringify(whole, null, 2);
  save(new Blob([text], { type: "application/json" }), `weir-report-${report.id}.json`);
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
