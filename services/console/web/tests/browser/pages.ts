// Every page of the dashboard, and what on it is looked at apart: its tabs.

export interface PageOf {
  name: string;
  path: string;
  heading: string | RegExp;
}

export const PAGES: PageOf[] = [
  { name: "overview", path: "/", heading: "Overview" },
  { name: "queries", path: "/queries", heading: "Queries" },
  { name: "pools", path: "/pools", heading: /Pools/ },
  { name: "cache", path: "/cache", heading: /Cache/ },
  { name: "maintenance", path: "/maintenance", heading: "Maintenance" },
  { name: "backups", path: "/backups", heading: "Backups" },
  { name: "alerts", path: "/alerts", heading: "Alerts" },
  { name: "alerts-resolved", path: "/alerts?tab=resolved", heading: "Alerts" },
  { name: "alerts-silences", path: "/alerts?tab=silences", heading: "Alerts" },
  { name: "alerts-rules", path: "/alerts?tab=rules", heading: "Alerts" },
  { name: "alerts-channels", path: "/alerts?tab=channels", heading: "Alerts" },
  { name: "security", path: "/security", heading: "Security" },
  { name: "security-firewall", path: "/security?tab=firewall", heading: "Security" },
  { name: "security-audit", path: "/security?tab=audit", heading: "Security" },
  { name: "security-tokens", path: "/security?tab=tokens", heading: "Security" },
  { name: "advice", path: "/advice", heading: "Advice" },
  { name: "advice-changes", path: "/advice?tab=changes", heading: "Advice" },
  { name: "settings", path: "/settings", heading: "Settings" },
  { name: "settings-services", path: "/settings?tab=services", heading: "Settings" },
  { name: "settings-projects", path: "/settings?tab=projects", heading: "Settings" },
  { name: "testing", path: "/testing", heading: "Testing" },
];
