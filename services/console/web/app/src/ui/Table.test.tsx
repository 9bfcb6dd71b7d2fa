// Tables as people use them: sorted by a click, thin in the page however many rows there are.
import { act } from "react";
import { afterEach, expect, it, vi } from "vitest";
import { startHistory } from "@/router";
import { type Column, Table } from "./Table";
import { type Shown, show } from "./testing";

interface Row {
  name: string;
  size: number;
}

const COLUMNS: Column<Row>[] = [
  {
    key: "name",
    title: "Name",
    cell: (row) => <a href={`#${row.name}`}>{row.name}</a>,
    sort: (row) => row.name,
  },
  { key: "size", title: "Size", cell: (row) => row.size, sort: (row) => row.size, numeric: true },
];
const rowsOf = (length: number): Row[] => Array.from({ length }, (_, size) => ({ name: `r${size}`, size }));

let shown: Shown;
const table = (rows: Row[]) => (
  <Table label="Rows" columns={COLUMNS} rows={rows} rowKey={(row) => row.name} empty={<p>none at all</p>} />
);
const names = () => [...shown.box.querySelectorAll("tbody a")].map((link) => link.textContent);

afterEach(async () => {
  await shown.remove();
  history.replaceState(null, "", "/");
});

it("is sorted by a click: numbers from the greatest, then the other way; the address keeps it", async () => {
  startHistory();
  shown = await show(table(rowsOf(3)));
  expect(names()).toEqual(["r0", "r1", "r2"]);
  await shown.click("th:nth-child(2) button");
  expect(names()).toEqual(["r2", "r1", "r0"]);
  expect(location.search).toBe("?sort=-size");
  expect(shown.box.querySelector("[aria-sort=descending]")?.textContent).toBe("Size");
  await shown.click("th:nth-child(2) button");
  expect(names()).toEqual(["r0", "r1", "r2"]);
  expect(location.search).toBe("?sort=size");
});

it("keeps only some of many rows in the page, and says how many there are", async () => {
  shown = await show(table(rowsOf(1000)));
  expect(names().length).toBeLessThan(60);
  expect(shown.box.querySelector("table")?.getAttribute("aria-rowcount")).toBe("1001");
  expect(shown.box.querySelector("[data-row='0']")?.getAttribute("aria-rowindex")).toBe("2");
});

it("says what is empty", async () => {
  shown = await show(table([]));
  expect(shown.box.textContent).toBe("none at all");
});

it("goes from row to row by arrow keys, a step a key, however fast they come", async () => {
  shown = await show(table(rowsOf(1000)));
  const press = (key: string) =>
    document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  shown.box.querySelector<HTMLElement>("tbody a")?.focus();
  await act(async () => ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "PageDown"].forEach(press));
  expect(document.activeElement?.textContent).toBe("r12");
  await act(async () => press("Home"));
  expect(document.activeElement?.textContent).toBe("r0");
});

it("says that it moves while it is scrolled, and that it rests when it does", async () => {
  shown = await show(table(rowsOf(1000)));
  const list = shown.box.querySelector<HTMLElement>("[role=group]");
  await act(async () => list?.dispatchEvent(new Event("scroll")));
  expect(list?.dataset.moving).toBe("");
  await vi.waitUntil(() => list?.dataset.moving === undefined);
  await shown.show(table(rowsOf(3)));
  list?.dispatchEvent(new Event("scroll"));
  expect(list?.dataset.moving).toBeUndefined();
});
