// The end of a list that goes on: the next page is read when it comes into sight, or when the button is pressed.
import { useEffect, useRef } from "react";
import type { Pages } from "@/api/usePages";
import { Button } from "./Button";
import styles from "./More.module.css";

/** Pages read by themselves, one after the other, before the reader is asked: what is filtered may be far away. */
const ALONE_MAX = 4;

interface MoreProps {
  pages: Omit<Pages<unknown>, "state">;
  shown: number;
  /** What comes next; older ones, if nobody says. */
  what?: string;
}

export function More({ pages, shown, what = "older ones" }: MoreProps) {
  const mark = useRef<HTMLDivElement>(null);
  const alone = useRef({ shown: -1, pages: 0 });
  const { hasMore, isReading, more, problem } = pages;

  useEffect(() => {
    const element = mark.current;
    if (!element || !hasMore || isReading || problem) return;
    if (alone.current.shown !== shown) alone.current = { shown, pages: 0 };
    const watch = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting) || alone.current.pages >= ALONE_MAX) return;
      alone.current.pages += 1;
      more();
    });
    watch.observe(element);
    return () => watch.disconnect();
  }, [hasMore, isReading, more, problem, shown]);

  if (!hasMore) return null;
  return (
    <div ref={mark} className={styles.more}>
      {problem && <p role="alert">{problem.message}</p>}
      <Button small isBusy={isReading} onClick={more}>
        {isReading ? `Reading ${what}` : problem ? "Try again" : `Show ${what}`}
      </Button>
    </div>
  );
}
