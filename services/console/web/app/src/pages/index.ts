// All pages. One line adds a page; with an icon it stands in the menu, in this order.
import type { Route } from "@/router";
import type { IconName } from "@/ui/Icon";

export interface Page extends Route {
  icon?: IconName;
}

export const pages: Page[] = [
  { path: "/", title: "Overview", icon: "overview", load: () => import("./overview") },
  { path: "/queries", title: "Queries", icon: "queries", load: () => import("./queries") },
  { path: "/queries/:fingerprint", title: "Query", load: () => import("./query") },
  { path: "/pools", title: "Pools", icon: "pools", load: () => import("./pools") },
  { path: "/cache", title: "Cache", icon: "cache", load: () => import("./cache") },
  { path: "/maintenance", title: "Maintenance", icon: "maintenance", load: () => import("./maintenance") },
  { path: "/backups", title: "Backups", icon: "backups", load: () => import("./backups") },
  { path: "/alerts", title: "Alerts", icon: "alerts", load: () => import("./alerts") },
  { path: "/security", title: "Security", icon: "security", load: () => import("./security") },
  { path: "/advice", title: "Advice", icon: "advice", load: () => import("./advice") },
  { path: "/settings", title: "Settings", icon: "settings", load: () => import("./settings") },
  { path: "/testing", title: "Testing", icon: "testing", load: () => import("./testing") },
];

export const missing: Page = { path: "", title: "Not found", load: () => import("./missing") };
