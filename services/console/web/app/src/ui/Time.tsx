// A moment: relative words that stay true, and the full date on hover and for those who hear the page.
import { full, relative } from "@/format";
import { useNow } from "./useNow";

export function Time({ at }: { at: number }) {
  const now = useNow();
  if (at === 0) return <span className="muted">never</span>;
  return (
    <time dateTime={new Date(at).toISOString()} title={full(at)}>
      {relative(at, now)}
    </time>
  );
}
