// The tests of the package: Node's fetch and streams, a document of happy-dom.
import { defineConfig } from "vitest/config";

export default defineConfig({ test: { include: ["test/**/*.test.{ts,tsx}"], testTimeout: 15_000 } });
