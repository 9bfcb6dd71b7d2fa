// Weighs what a browser loads first, compressed, and fails the build when it is too much.
import { readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const LIMIT_KIB = 150;
const dist = (path) => fileURLToPath(new URL(`../../dist/${path}`, import.meta.url));
const manifest = JSON.parse(readFileSync(dist(".vite/manifest.json"), "utf8"));

/** Every file that the entry and the first page need, each once. */
function closure(keys, files = new Set(), seen = new Set()) {
  for (const key of keys) {
    if (seen.has(key)) continue;
    seen.add(key);
    const chunk = manifest[key];
    files.add(chunk.file);
    for (const css of chunk.css ?? []) files.add(css);
    closure(chunk.imports ?? [], files, seen);
  }
  return files;
}

const kib = (files) =>
  [...files].reduce((sum, file) => sum + gzipSync(readFileSync(dist(file))).length, 0) / 1024;
const first = kib(closure(["index.html", "src/pages/overview/index.tsx"]));
const all = kib(closure(Object.keys(manifest)));
process.stdout.write(
  `first load ${first.toFixed(1)} KiB gzip (limit ${LIMIT_KIB}), everything ${all.toFixed(1)} KiB\n`,
);
// Nobody asks for it where the dashboard is served.
rmSync(dist(".vite"), { recursive: true });
if (first > LIMIT_KIB) process.exit(1);
