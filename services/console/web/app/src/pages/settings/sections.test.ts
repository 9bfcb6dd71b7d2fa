import { describe, expect, it } from "vitest";
import { nameIn, originOf, remarksOf, sectionOf, sectionsOf } from "./sections";
import type { Setting } from "./types";

const setting = (key: string, more: Partial<Setting> = {}): Setting => ({
  key,
  value: "1",
  origin: "default",
  meaning: "Longest wait.",
  changeable: null,
  service: "console",
  reloads: false,
  waiting: null,
  elsewhere: [],
  ...more,
});
const ALL = [
  setting("profile"),
  setting("gateway.pool_max", { origin: "file", value: "20" }),
  setting("gateway.wait"),
  setting("monitor.keep", { origin: "environment WEIR_MONITOR__KEEP" }),
  setting("monitor.tls", { origin: "profile" }),
];
const NONE = { search: "", section: "", shown: "" };
const keys = (filter: Partial<typeof NONE>) =>
  sectionsOf(ALL, { ...NONE, ...filter }).flatMap((section) => section.settings.map((one) => one.key));

describe("settings", () => {
  it("are grouped by section, in their order", () => {
    expect(sectionsOf(ALL, NONE).map((section) => section.name)).toEqual(["general", "gateway", "monitor"]);
    expect([sectionOf("profile"), nameIn("profile"), nameIn("a.b.c")]).toEqual(["general", "profile", "b.c"]);
  });

  it("are found by any of their words", () => {
    expect(keys({ search: "gateway LONGEST" })).toEqual(["gateway.pool_max", "gateway.wait"]);
    expect(keys({ search: "weir_monitor" })).toEqual(["monitor.keep"]);
    expect(keys({ section: "monitor" })).toEqual(["monitor.keep", "monitor.tls"]);
  });

  it("are changed where somebody said so", () => {
    expect(keys({ shown: "changed" })).toEqual(["gateway.pool_max", "monitor.keep"]);
  });

  it("are odd where they wait for a restart or differ between services", () => {
    const waits = setting("bus.url", { waiting: { value: null, origin: "default" } });
    const differs = setting("bus.name", {
      elsewhere: [{ service: "cache", value: "other", origin: "file" }],
    });
    const odd = sectionsOf([...ALL, waits, differs], { ...NONE, shown: "odd" });
    expect(odd.flatMap((section) => section.settings)).toEqual([waits, differs]);
    expect(remarksOf(waits)).toEqual(["after a restart: not set"]);
    expect(remarksOf(differs)).toEqual(["cache has it otherwise: other"]);
    expect(remarksOf(setting("gateway.pool_max", { changeable: true }))).toEqual([
      "can be changed while it runs",
    ]);
  });

  it("say where they came from", () => {
    expect(originOf(setting("a", { origin: "environment DB_POOL_MAX" }))).toEqual({
      word: "environment",
      variable: "DB_POOL_MAX",
    });
    expect(originOf(setting("a", { origin: "set while running" }))).toEqual({
      word: "set while running",
      variable: "",
    });
  });
});
