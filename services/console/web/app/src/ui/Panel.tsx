// A panel: a titled surface. Pages are made of these; one that has a title is a region with a heading.
import { type ReactNode, useId } from "react";
import styles from "./Panel.module.css";

interface PanelProps {
  title?: ReactNode;
  /** A word beside the title: a count, a span of time. */
  note?: ReactNode;
  /** Buttons, tabs or filters at the right of the title. */
  actions?: ReactNode;
  children: ReactNode;
  /** Without inner space, for tables that reach the edges. */
  flush?: boolean;
  /** Takes a whole row of a grid. */
  wide?: boolean;
}

export function Panel({ title, note, actions, children, flush, wide }: PanelProps) {
  const id = useId();
  const names = [styles.panel, wide && styles.wide].filter(Boolean).join(" ");
  if (!title)
    return <div className={names}>{flush ? children : <div className={styles.body}>{children}</div>}</div>;
  return (
    <section className={names} aria-labelledby={id}>
      <header className={styles.header}>
        <h2 id={id} className={styles.title}>
          {title}
        </h2>
        {note && <span className={styles.note}>{note}</span>}
        {actions && <div className={styles.actions}>{actions}</div>}
      </header>
      <div className={flush ? styles.flush : styles.body}>{children}</div>
    </section>
  );
}

/** The head of a page: its heading takes the focus when one comes here by a link. */
export function PageHead({
  title,
  lead,
  actions,
}: {
  title: ReactNode;
  lead?: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <div className={styles.head}>
      <div>
        <h1 tabIndex={-1} className={styles.heading}>
          {title}
        </h1>
        {lead && <p className={styles.lead}>{lead}</p>}
      </div>
      {actions && <div className={styles.headActions}>{actions}</div>}
    </div>
  );
}
