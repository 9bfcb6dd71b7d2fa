// Tabs: one of a few views. Arrow keys go from one to the next; the chosen one is in the address bar if it has a name.
import { type KeyboardEvent, type ReactNode, useId, useRef } from "react";
import { useQueryState } from "@/router";
import styles from "./Tabs.module.css";

export interface Tab {
  id: string;
  title: string;
  /** A small number beside the title. */
  count?: number;
  content: () => ReactNode;
}

export function Tabs({ tabs, label, name = "tab" }: { tabs: Tab[]; label: string; name?: string }) {
  const [chosen, choose] = useQueryState(name, tabs[0]?.id ?? "");
  const base = useId();
  const list = useRef<HTMLDivElement>(null);
  const present = tabs.find((tab) => tab.id === chosen) ?? tabs[0];
  if (!present) return null;

  const onKeyDown = (event: KeyboardEvent) => {
    const next = nextIndex(event.key, tabs.indexOf(present), tabs.length);
    const tab = next === null ? undefined : tabs[next];
    if (!tab || next === null) return;
    event.preventDefault();
    choose(tab.id);
    list.current?.querySelectorAll<HTMLElement>("[role=tab]")[next]?.focus();
  };

  return (
    <div className={styles.tabs}>
      <div role="tablist" aria-label={label} ref={list} className={styles.list} onKeyDown={onKeyDown}>
        {tabs.map((tab) => (
          <button
            key={tab.id}
            type="button"
            role="tab"
            id={`${base}-${tab.id}`}
            aria-selected={tab === present}
            aria-controls={`${base}-panel`}
            tabIndex={tab === present ? 0 : -1}
            className={styles.tab}
            onClick={() => choose(tab.id)}
          >
            {tab.title}
            {tab.count !== undefined && <span className={styles.count}>{tab.count}</span>}
          </button>
        ))}
      </div>
      <div
        role="tabpanel"
        id={`${base}-panel`}
        aria-labelledby={`${base}-${present.id}`}
        className={styles.panel}
      >
        {present.content()}
      </div>
    </div>
  );
}

function nextIndex(key: string, index: number, length: number): number | null {
  if (key === "ArrowRight") return (index + 1) % length;
  if (key === "ArrowLeft") return (index + length - 1) % length;
  if (key === "Home") return 0;
  if (key === "End") return length - 1;
  return null;
}
