// The example, with the console's paths passed on, so that the page and the console are one place for the browser.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const target = process.env.WEIR_CONSOLE ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  server: { proxy: { "/database": target, "/events": target } },
});
