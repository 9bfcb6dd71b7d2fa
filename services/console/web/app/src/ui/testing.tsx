// For tests: a component in a document.
import { act, type ReactNode } from "react";
import { createRoot } from "react-dom/client";

export interface Shown {
  box: HTMLElement;
  show: (children: ReactNode) => Promise<void>;
  click: (selector: string) => Promise<void>;
  remove: () => Promise<void>;
}

export async function show(children: ReactNode): Promise<Shown> {
  (globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;
  const box = document.createElement("main");
  document.body.append(box);
  const root = createRoot(box);
  const shown: Shown = {
    box,
    show: (next) => act(async () => root.render(next)),
    click: (selector) => act(async () => box.querySelector<HTMLElement>(selector)?.click()),
    remove: async () => {
      await act(async () => root.unmount());
      box.remove();
    },
  };
  await shown.show(children);
  return shown;
}
