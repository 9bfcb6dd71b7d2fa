// Which span of time a page shows: chosen from a few, kept in the address, its beginning moved on by the minute.
import { useQueryState } from "@/router";
import { Segments } from "./Form";
import { useNowAs } from "./useNow";

const MINUTE_MS = 60_000;

const SPANS = [
  { value: "15m", title: "15 min", ms: 15 * MINUTE_MS },
  { value: "1h", title: "1 h", ms: 60 * MINUTE_MS },
  { value: "6h", title: "6 h", ms: 360 * MINUTE_MS },
  { value: "24h", title: "24 h", ms: 1440 * MINUTE_MS },
  { value: "7d", title: "7 d", ms: 10_080 * MINUTE_MS },
] as const;

export interface SpanState {
  sinceUnixMs: number;
  untilUnixMs: number;
  ms: number;
  title: string;
  value: string;
  choose: (value: string) => void;
}

/** The span of the page. The longer it is, the less often its ends move, so that answers can be kept. */
export function useSpan(initial: (typeof SPANS)[number]["value"] = "1h"): SpanState {
  const [value, choose] = useQueryState("span", initial);
  const span = SPANS.find((one) => one.value === value) ?? SPANS[1];
  const step = Math.max(MINUTE_MS, span.ms / 240);
  const untilUnixMs = useMinute(step);
  return {
    sinceUnixMs: untilUnixMs - span.ms,
    untilUnixMs,
    ms: span.ms,
    title: span.title,
    value: span.value,
    choose,
  };
}

const useMinute = (stepMs: number): number => useNowAs((now) => Math.ceil(now / stepMs) * stepMs);

export function SpanSwitch({ span }: { span: SpanState }) {
  return <Segments label="Span of time" value={span.value} onChange={span.choose} choices={SPANS} />;
}
