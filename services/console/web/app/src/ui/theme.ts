// Light or dark: as the system is, unless the viewer chose. The choice is remembered.
import { useSyncExternalStore } from "react";

export type ThemeChoice = "system" | "light" | "dark";
export type Theme = "light" | "dark";

const KEY = "weir.theme";
const CHOICES: readonly ThemeChoice[] = ["system", "light", "dark"];
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();
let choice: ThemeChoice = "system";

const resolved = (): Theme => {
  if (choice !== "system") return choice;
  return system.matches ? "dark" : "light";
};

function apply(): void {
  document.documentElement.dataset.theme = resolved();
  for (const listener of listeners) listener();
}

export function startTheme(): void {
  const kept = localStorage.getItem(KEY);
  choice = CHOICES.find((one) => one === kept) ?? "system";
  system.addEventListener("change", apply);
  apply();
}

export function chooseTheme(next: ThemeChoice): void {
  choice = next;
  localStorage.setItem(KEY, next);
  apply();
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const useTheme = (): Theme => useSyncExternalStore(subscribe, resolved);
export const useThemeChoice = (): ThemeChoice => useSyncExternalStore(subscribe, () => choice);

/** The value of a design token, for canvases. */
export const token = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
