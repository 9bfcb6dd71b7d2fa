// How the dashboard is built: one page, split by import(), into web/dist, which the console embeds.
import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const console_ = process.env.WEIR_CONSOLE ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "@": here("./src") } },
  build: {
    outDir: here("../dist"),
    emptyOutDir: true,
    sourcemap: false,
    // No data: URLs and no inline scripts, so that `default-src 'self'` holds.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
  },
  server: {
    proxy: Object.fromEntries(
      ["/session", "/database", "/health", "/events", "/metrics", "/openapi.json", "/docs"].map((path) => [
        path,
        console_,
      ]),
    ),
  },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"] },
});
