// The frame of every page: skip link, rail, header, main, and what is said over all of it.
import { type MouseEvent, useEffect, useRef, useState } from "react";
import { missing, pages } from "@/pages";
import { Router, usePlace } from "@/router";
import { IconButton } from "@/ui/Button";
import { AlertToasts } from "./AlertToasts";
import { ProjectSwitch, ThemeSwitch, Who } from "./Controls";
import { DisconnectedBanner, LiveBadge } from "./Live";
import styles from "./Shell.module.css";
import { Sidebar } from "./Sidebar";

export function Shell() {
  return (
    <div className={styles.shell}>
      <a href="#main" className={styles.skip}>
        Skip to the content
      </a>
      <aside className={styles.side}>
        <Sidebar />
      </aside>
      <div className={styles.column}>
        <Header />
        <DisconnectedBanner />
        <AlertToasts />
        <main id="main" tabIndex={-1} className={styles.main}>
          <Router routes={pages} missing={missing} />
        </main>
      </div>
    </div>
  );
}

function Header() {
  return (
    <header className={styles.header}>
      <Menu />
      <ProjectSwitch />
      <div className={styles.right}>
        <LiveBadge />
        <ThemeSwitch />
        <Who />
      </div>
    </header>
  );
}

/** The rail of phones: a dialog, so that focus stays in it and Escape closes it. */
function Menu() {
  const ref = useRef<HTMLDialogElement>(null);
  const [isOpen, setOpen] = useState(false);
  const { path } = usePlace();
  useEffect(() => {
    void path;
    ref.current?.close();
  }, [path]);
  const open = () => {
    ref.current?.showModal();
    setOpen(true);
  };
  const closeOutside = (event: MouseEvent) => {
    if (event.target === ref.current) ref.current?.close();
  };
  return (
    <div className={styles.menu}>
      <IconButton
        label="Open the menu"
        icon="menu"
        aria-expanded={isOpen}
        aria-haspopup="dialog"
        onClick={open}
      />
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog by itself */}
      <dialog
        ref={ref}
        className={styles.drawer}
        aria-label="Menu"
        onClose={() => setOpen(false)}
        onClick={closeOutside}
      >
        {isOpen && <Sidebar onChosen={() => ref.current?.close()} />}
      </dialog>
    </div>
  );
}
