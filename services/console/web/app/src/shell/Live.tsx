// Whether what one sees is live: a word in the header, and a banner where the line has been broken for long.
import { useLiveState } from "@/api/live";
import { clock, relative } from "@/format";
import { Icon } from "@/ui/Icon";
import { useNow } from "@/ui/useNow";
import styles from "./Live.module.css";

const WORDS = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  disconnected: "Disconnected",
};

export function LiveBadge() {
  const { phase, sinceUnixMs } = useLiveState();
  return (
    <span className={styles.badge} data-phase={phase} title={`since ${clock(sinceUnixMs)}`} role="status">
      <span className={styles.dot} aria-hidden="true" />
      <span className={styles.word}>{WORDS[phase]}</span>
    </span>
  );
}

export function DisconnectedBanner() {
  const { phase, sinceUnixMs } = useLiveState();
  const now = useNow();
  if (phase !== "disconnected") return null;
  return (
    <div className={styles.banner} role="alert">
      <Icon name="warning" size={18} />
      <span>
        <b>No connection to the console</b> since {clock(sinceUnixMs)} (
        {relative(sinceUnixMs, Math.max(now, sinceUnixMs))}). What you see is as it was then; it is tried
        again until it works.
      </span>
    </div>
  );
}
