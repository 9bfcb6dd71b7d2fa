// Short words about what was done or failed. They are read out; failures stay until they are sent away.
import { useSyncExternalStore } from "react";
import { IconButton } from "./Button";
import { Icon, type IconName } from "./Icon";
import styles from "./Toast.module.css";

export type ToastTone = "good" | "bad" | "info";

interface Toasted {
  id: number;
  text: string;
  tone: ToastTone;
}

const STAYS_MS = 6000;
const MOST = 4;
const ICONS: Record<ToastTone, IconName> = { good: "check", bad: "warning", info: "info" };

const listeners = new Set<() => void>();
let toasts: readonly Toasted[] = [];
let made = 0;

function set(next: readonly Toasted[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

const dismiss = (id: number) => set(toasts.filter((one) => one.id !== id));

/** Says something. The same words are not said twice at once. */
export function toast(text: string, tone: ToastTone = "info"): void {
  made += 1;
  const id = made;
  set([...toasts.filter((one) => one.text !== text), { id, text, tone }].slice(-MOST));
  if (tone !== "bad") setTimeout(() => dismiss(id), STAYS_MS);
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div className={styles.toasts} role="status" aria-live="polite">
      {shown.map(({ id, text, tone }) => (
        <div key={id} className={styles.toast} data-tone={tone}>
          <Icon name={ICONS[tone]} size={18} />
          <span className={styles.text}>{text}</span>
          <IconButton small label="Dismiss" icon="close" onClick={() => dismiss(id)} />
        </div>
      ))}
    </div>
  );
}
