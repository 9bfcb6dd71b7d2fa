// A change asked for by a button: busy while it runs, its failure told, what it made old asked for anew.
import { useCallback, useEffect, useRef, useState } from "react";
import { toast } from "@/ui/Toast";
import { asProblem, type Problem } from "./problem";
import { refresh } from "./resource";

interface ActionOptions<Result> {
  /** What is said when it is done. */
  done?: string | ((result: Result) => string);
  /** Paths that the change makes old, by their beginning. */
  refreshes?: readonly string[];
  onDone?: (result: Result) => void;
}

interface Action<Args extends unknown[]> {
  run: (...args: Args) => Promise<boolean>;
  isBusy: boolean;
  problem: Problem | null;
}

export function useAction<Args extends unknown[], Result>(
  work: (...args: Args) => Promise<Result>,
  options: ActionOptions<Result> = {},
): Action<Args> {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const latest = useRef({ work, options });
  useEffect(() => {
    latest.current = { work, options };
  });

  const run = useCallback(async (...args: Args): Promise<boolean> => {
    setBusy(true);
    setProblem(null);
    try {
      const result = await latest.current.work(...args);
      const { done, refreshes, onDone } = latest.current.options;
      if (done) toast(typeof done === "string" ? done : done(result), "good");
      for (const path of refreshes ?? []) refresh(path);
      onDone?.(result);
      return true;
    } catch (thrown) {
      const failed = asProblem(thrown);
      setProblem(failed);
      toast(failed.message, "bad");
      return false;
    } finally {
      setBusy(false);
    }
  }, []);

  return { run, isBusy, problem };
}
