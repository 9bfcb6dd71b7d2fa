// A moment: relative words that stay true, and the full date on hover and for those who hear the page.
import { useMemo } from "react";
import { full, relative } from "@/format";
import { useNowAs } from "./useNow";

export function Time({ at }: { at: number }) {
  const words = useNowAs((now) => relative(at, now));
  const date = useMemo(() => ({ dateTime: new Date(at).toISOString(), title: full(at) }), [at]);
  if (at === 0) return <span className="muted">never</span>;
  return <time {...date}>{words}</time>;
}
