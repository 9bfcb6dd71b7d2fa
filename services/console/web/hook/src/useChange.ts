// A change that somebody orders: sent once, told how it went, and what it made old is asked for anew.
import { useCallback } from "react";
import { filled, pathWith } from "./client.js";
import { asProblem } from "./problem.js";
import { useWeir } from "./provider.js";

const DASHBOARD = "/database/monitoring/dashboard";

/**
 * Sends POST and gives the answer; rejects with a `Problem`. It goes on when the component goes: a change that was sent
 * is not taken back by hanging up.
 */
export function useChange<Result>(path: string, refreshes: string) {
  const { client, resources } = useWeir();
  return useCallback(
    async (params: Record<string, string>, body: unknown): Promise<Result> => {
      try {
        const asked = pathWith(filled(path, params), { project: client.project });
        return (await client.call(asked, { method: "POST", body })).data as Result;
      } catch (thrown) {
        throw asProblem(thrown);
      } finally {
        // Also after a failure: it may have been done, and only the answer been lost.
        resources.refresh(refreshes);
        resources.refresh(DASHBOARD);
      }
    },
    [client, resources, path, refreshes],
  );
}
