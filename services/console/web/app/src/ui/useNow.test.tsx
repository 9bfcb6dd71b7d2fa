// The one clock of the page: who only wants to know the minute is not rendered with every second.
import { act } from "react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Shown, show } from "./testing";
import { useNow, useNowAs } from "./useNow";

const NOON = Date.UTC(2026, 0, 1, 12);
let shown: Shown;
const rendered = { seconds: 0, minutes: 0 };

function Seconds() {
  rendered.seconds += 1;
  return <i>{useNow() - NOON}</i>;
}
function Minutes() {
  rendered.minutes += 1;
  return <b>{useNowAs((now) => Math.floor((now - NOON) / 60_000))}</b>;
}

beforeEach(async () => {
  vi.useFakeTimers({ now: NOON });
  shown = await show(
    <>
      <Seconds />
      <Minutes />
    </>,
  );
});
afterEach(async () => {
  await shown.remove();
  vi.useRealTimers();
});

it("tells every second to who wants it, and a minute only when it is another", async () => {
  const before = { ...rendered };
  for (let second = 0; second < 59; second += 1) await act(async () => vi.advanceTimersByTime(1000));
  expect(shown.box.querySelector("i")?.textContent).toBe("59000");
  expect(rendered.seconds - before.seconds).toBe(59);
  expect(rendered.minutes).toBe(before.minutes);
  await act(async () => vi.advanceTimersByTime(1000));
  expect(shown.box.querySelector("b")?.textContent).toBe("1");
  expect(rendered.minutes - before.minutes).toBe(1);
});
