// Another mode for a project, or one role of one database of it: what it means, and what it would have done.
import { useEffect, useState } from "react";
import { api, pathWith, useAction, useProject } from "@/api";
import { Button, Dialog, SelectField } from "@/ui";
import { dryRunWords, keyOf, MODE_CHOICES, modeWords, scopeWords } from "./firewall";
import { FIREWALL, type FirewallMode, type FirewallScope, type FirewallScopeStatus, OVERVIEW } from "./types";

interface ModeDialogProps {
  /** null: closed. Without database and role: the whole project. */
  scope: FirewallScope | null;
  scopes: readonly FirewallScopeStatus[];
  sinceUnixMs: number;
  onClose: () => void;
}

const MEANINGS: Record<string, string> = {
  settings: "What was set here is taken back: the settings and their rules decide.",
};

const meaningOf = (mode: string): string => MEANINGS[mode] ?? modeWords(mode as FirewallMode).meaning;

/** What is meant by a scope as the dialog has it. */
const meant = (scopes: readonly FirewallScopeStatus[], scope: FirewallScope): FirewallScopeStatus[] =>
  scope.database === "" ? [...scopes] : scopes.filter((one) => keyOf(one.scope) === keyOf(scope));

const summed = (scopes: readonly FirewallScopeStatus[]) => {
  const sum = (name: "statements" | "would_block" | "blocked") =>
    scopes.reduce((total, one) => total + one[name], 0);
  return {
    effective_mode: "monitor" as const,
    statements: sum("statements"),
    would_block: sum("would_block"),
    blocked: sum("blocked"),
  };
};

export function ModeDialog({ scope, scopes, sinceUnixMs, onClose }: ModeDialogProps) {
  const project = useProject();
  const [mode, setMode] = useState("monitor");
  const { database = "", user = "" } = scope ?? {};
  const key = scope && keyOf(scope);
  useEffect(() => {
    if (key !== null) setMode("monitor");
  }, [key]);
  const change = useAction(
    () => api.post(pathWith(`${FIREWALL}/mode/${mode}`, { project }), { database, user }),
    { done: "The mode is changed.", refreshes: [FIREWALL, OVERVIEW], onDone: onClose },
  );
  if (!scope) return null;
  const whose = scope.database === "" ? `the project ${project}` : scopeWords(scope);
  return (
    <Dialog
      title={`Mode for ${whose}`}
      isOpen
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" isBusy={change.isBusy} onClick={() => change.run()}>
            Change the mode
          </Button>
        </>
      }
    >
      <div className="stack">
        <SelectField
          label="What the firewall is to do"
          value={mode}
          onChange={setMode}
          choices={MODE_CHOICES}
          help={meaningOf(mode)}
        />
        {mode === "enforce" && <p>{dryRunWords(summed(meant(scopes, scope)), sinceUnixMs)}</p>}
        <p className="muted">
          It goes before the settings, holds at every gateway that shares the store, and outlives restarts.
        </p>
      </div>
    </Dialog>
  );
}
