// What cannot be undone asks for its name first.
import { act } from "react";
import { expect, it, vi } from "vitest";
import { Confirm } from "./Dialog";
import { show } from "./testing";

const confirm = (onConfirm: () => void) => (
  <Confirm
    title="Delete"
    isOpen
    verb="Delete it"
    typed="orders"
    onClose={() => undefined}
    onConfirm={onConfirm}
  >
    It is gone then.
  </Confirm>
);

async function type(input: HTMLInputElement, text: string): Promise<void> {
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set;
  await act(async () => {
    set?.call(input, text);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

it("lets nobody confirm before the name is typed", async () => {
  const confirmed = vi.fn();
  const shown = await show(confirm(confirmed));
  const input = shown.box.querySelector("input");
  const button = [...shown.box.querySelectorAll("button")].find((one) => one.textContent === "Delete it");
  if (!input || !button) throw new Error("no field or no button");
  expect(button.disabled).toBe(true);
  await type(input, "order");
  expect(button.disabled).toBe(true);
  await type(input, "orders");
  expect(button.disabled).toBe(false);
  await act(async () => button.click());
  expect(confirmed).toHaveBeenCalledOnce();
  await shown.remove();
});
