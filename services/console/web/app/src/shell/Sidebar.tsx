// The way from page to page: a rail at the side, and on a phone a menu that opens over the page.
import { useFigures } from "@/api/live";
import { pages } from "@/pages";
import { Link, match, usePlace } from "@/router";
import { Icon } from "@/ui/Icon";
import { Logo } from "./Logo";
import styles from "./Shell.module.css";

export function Sidebar({ onChosen }: { onChosen?: () => void }) {
  const { path } = usePlace();
  const alerts = useFigures()?.alerts;
  const firing = alerts ? alerts.critical + alerts.warning : 0;
  return (
    <div className={styles.rail}>
      <Link to="/" className={styles.brand} aria-label="Weir, to the overview" onClick={onChosen}>
        <Logo />
      </Link>
      <nav aria-label="Pages" className={styles.nav}>
        <ul>
          {pages.map((page) =>
            page.icon ? (
              <li key={page.path}>
                <Link
                  to={page.path}
                  className={styles.item}
                  aria-current={isHere(page.path, path)}
                  onClick={onChosen}
                >
                  <Icon name={page.icon} />
                  <span>{page.title}</span>
                  {page.path === "/alerts" && firing > 0 && (
                    <span className={styles.firing} data-critical={(alerts?.critical ?? 0) > 0 || undefined}>
                      {firing}
                      <span className="sr-only"> firing</span>
                    </span>
                  )}
                </Link>
              </li>
            ) : null,
          )}
        </ul>
      </nav>
      <p className={styles.foot}>
        <a href="/docs">REST API</a>
      </p>
    </div>
  );
}

function isHere(page: string, path: string): "page" | "true" | undefined {
  if (match(page, path)) return "page";
  return page !== "/" && path.startsWith(`${page}/`) ? "true" : undefined;
}
