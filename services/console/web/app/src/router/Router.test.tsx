// From page to page: loaded when wanted, named, with the focus on its heading.
import { act } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PageHead } from "@/ui/Panel";
import { type Shown, show } from "@/ui/testing";
import { navigate, startHistory, useQueryState } from "./history";
import { Link } from "./Link";
import { preload, type Route, Router, useParams } from "./Router";

function First() {
  const [kind, setKind] = useQueryState("kind", "all");
  return (
    <>
      <PageHead title="First" />
      <button type="button" onClick={() => setKind("select")}>
        {kind}
      </button>
      <Link to="/things/a%20b">on</Link>
    </>
  );
}
const Thing = () => <PageHead title={`Thing ${useParams().name}`} />;
const Lost = () => <PageHead title="Lost" />;

const load = vi.fn(async () => ({ default: Thing }));
const routes: Route[] = [
  { path: "/", title: "One", load: async () => ({ default: First }) },
  { path: "/things/:name", title: "Thing", load },
];
const missing: Route = { path: "", title: "Not found", load: async () => ({ default: Lost }) };

let shown: Shown;
const heading = () => shown.box.querySelector("h1");

beforeEach(async () => {
  history.replaceState(null, "", "/");
  startHistory();
  shown = await show(<Router routes={routes} missing={missing} />);
  await vi.waitUntil(() => heading());
});

afterEach(() => shown.remove());

it("loads a page when it is wanted, names the document and moves the focus", async () => {
  expect(document.title).toBe("One · Weir");
  expect(load).not.toHaveBeenCalled();
  await shown.click("a");
  await vi.waitUntil(() => heading()?.textContent === "Thing a b");
  expect(location.pathname).toBe("/things/a%20b");
  expect(document.title).toBe("Thing · Weir");
  await vi.waitUntil(() => document.activeElement === heading());
});

it("leaves links with a key pressed to the browser", async () => {
  const link = shown.box.querySelector("a");
  const event = new MouseEvent("click", { bubbles: true, cancelable: true, ctrlKey: true });
  await act(async () => link?.dispatchEvent(event));
  expect(event.defaultPrevented).toBe(false);
  expect(heading()?.textContent).toBe("First");
});

it("keeps filters in the address, and takes out what is usual", async () => {
  await shown.click("button");
  expect(location.search).toBe("?kind=select");
  expect(shown.box.querySelector("button")?.textContent).toBe("select");
  await act(async () => navigate("/", { replace: true }));
  expect(shown.box.querySelector("button")?.textContent).toBe("all");
});

it("says so where there is no page", async () => {
  await act(async () => navigate("/nowhere"));
  await vi.waitUntil(() => heading()?.textContent === "Lost");
  expect(document.title).toBe("Not found · Weir");
});

it("shows a page that was loaded before at once, and loads anew what could not be", async () => {
  await shown.remove();
  const broken = vi
    .fn<Route["load"]>()
    .mockRejectedValueOnce(new Error("gone"))
    .mockResolvedValue({ default: Lost });
  const early: Route = { path: "/early", title: "Early", load: async () => ({ default: First }) };
  const late: Route = { path: "/late", title: "Late", load: broken };
  await preload([early, late], "/early", missing);
  await preload([early, late], "/late", missing);
  history.replaceState(null, "", "/early");
  startHistory();
  const box = document.createElement("main");
  const root = createRoot(box);
  act(() => root.render(<Router routes={[early, late]} missing={missing} />));
  expect(box.querySelector("h1")?.textContent).toBe("First");
  await act(async () => navigate("/late"));
  await vi.waitUntil(() => box.querySelector("h1")?.textContent === "Lost");
  expect(broken).toHaveBeenCalledTimes(2);
  await act(async () => root.unmount());
});
