// What is published: the types are those of the document, the tarball holds what it should, and others can use it.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";

const here = fileURLToPath(new URL("..", import.meta.url));
const run = (command: string, args: string[], cwd: string) =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

let room: string;
let packed: { filename: string; files: { path: string }[] };

beforeAll(() => {
  room = mkdtempSync(join(tmpdir(), "weir-react-"));
  run("npm", ["run", "build"], here);
  const told = run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", room], here);
  [packed] = JSON.parse(told) as [typeof packed];
}, 120_000);

afterAll(() => rmSync(room, { recursive: true, force: true }));

it("has the types of the console's document", () => {
  const made = run("node", ["scripts/types.mjs", "--print"], here);
  expect(made === readFileSync(join(here, "src/schema.ts"), "utf8"), "npm run types -w hook").toBe(true);
}, 60_000);

it("packs dist and what tells about it, and nothing else", () => {
  const paths = packed.files.map((file) => file.path);
  expect(paths.filter((path) => !path.startsWith("dist/")).sort()).toEqual([
    "LICENSE",
    "README.md",
    "package.json",
  ]);
  expect(paths).toContain("dist/index.js");
  expect(paths.filter((path) => !/^dist\/\w+\.(js|d\.ts)$/.test(path) && path.startsWith("dist/"))).toEqual(
    [],
  );
  const license = readFileSync(join(here, "LICENSE"), "utf8");
  expect(license).toBe(readFileSync(join(here, "../../../../LICENSE"), "utf8"));
});

const USER = `import { type Alert, Problem, useDatabaseOptimization, useLiveEvents, WeirProvider } from "@weir/react";
import { createElement } from "react";
function Page() {
  const { health, figures, alerts, apply, connection } = useDatabaseOptimization();
  useLiveEvents(["alert"], (event) => void event.kind);
  const state: "ok" | "degraded" | "down" | "unknown" | undefined = health?.state;
  const p95: number | null | undefined = figures?.p95_ms;
  const first: Alert | undefined = alerts[0];
  // @ts-expect-error: the document knows no such word
  const wrong = connection.phase === "live" && first?.severity === "nonsense";
  return createElement("button", { onClick: () => void apply("x") }, state, p95, first?.summary, String(wrong));
}
export const page = createElement(WeirProvider, { url: "https://weir.example", token: async () => "t" }, createElement(Page));
export const problem: Error = new Problem(404, {});
`;

it("can be installed, type-checked and imported by others", () => {
  const versions = JSON.parse(readFileSync(join(here, "package.json"), "utf8")).devDependencies;
  const dependencies = {
    "@weir/react": `file:${packed.filename}`,
    react: versions.react,
    "@types/react": versions["@types/react"],
    typescript: versions.typescript,
  };
  writeFileSync(join(room, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }));
  writeFileSync(join(room, "user.ts"), USER);
  run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline"], room);
  for (const module of ["NodeNext", "Preserve"]) {
    run(
      "npx",
      ["tsc", "--strict", "--target", "ES2022", "--module", module, "--outDir", "out", "user.ts"],
      room,
    );
  }
  const names = run(
    "node",
    ["-e", "import('@weir/react').then((all) => console.log(Object.keys(all).join()))"],
    room,
  );
  expect(names).toContain("useDatabaseOptimization");
}, 180_000);
