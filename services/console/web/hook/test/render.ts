// Calls hooks under a provider, in StrictMode, and keeps what they last said.
import { createElement, type ReactNode, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { vi } from "vitest";
import { WeirProvider, type WeirProviderProps } from "../src/index.js";

/** Waits until it is so; long enough for a machine that does much else. */
export const until = <T>(isSo: () => T) => vi.waitUntil(isSo, { timeout: 8000, interval: 20 });

export interface Shown<T> {
  seen: { current: T | undefined };
  unmount: () => void;
  /** Another key: another component in the place of the one before. */
  render: (props: WeirProviderProps, key?: string) => void;
}

interface CallerProps<T> {
  hook: () => T;
  seen: { current: T | undefined };
}

function Caller<T>({ hook, seen }: CallerProps<T>): ReactNode {
  seen.current = hook();
  return null;
}

export function show<T>(props: WeirProviderProps, hook: () => T): Shown<T> {
  const seen: Shown<T>["seen"] = { current: undefined };
  const root = createRoot(document.createElement("div"));
  const render = (next: WeirProviderProps, key = "") => {
    const caller = createElement(Caller<T>, { hook, seen, key });
    root.render(createElement(StrictMode, null, createElement(WeirProvider, next, caller)));
  };
  render(props);
  return { seen, render, unmount: () => root.unmount() };
}
