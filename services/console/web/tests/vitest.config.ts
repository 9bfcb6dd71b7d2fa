// The browser tests: one after the other, for they share one Weir, and some change it.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["browser/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Whoever looks for a fault wants all of them.
    bail: 0,
    reporters: ["verbose"],
  },
});
