// Pausing, resuming and reconnecting: of one database or of all, asked before it is done.
import { useState } from "react";
import { api, useAction } from "@/api";
import { Button, Confirm, SelectField } from "@/ui";
import { useWhyNot } from "../parts";

type Verb = "pause" | "resume" | "reconnect";

const WORDS: Record<Verb, { title: string; verb: string; text: string; done: string }> = {
  pause: {
    title: "Pause pools?",
    verb: "Pause",
    text: "No connection is handed out until you resume. Statements under way go on; new ones wait, and fail when the longest wait is over.",
    done: "Paused: callers wait.",
  },
  resume: { title: "Resume pools?", verb: "Resume", text: "Callers who wait are served.", done: "Resumed." },
  reconnect: {
    title: "Reconnect pools?",
    verb: "Reconnect",
    text: "Idle connections are closed, those in use when they are given back; the next callers get new ones. Nobody is cut off.",
    done: "Idle connections are closed.",
  },
};

const REFRESHES = ["/database/connection-pool", "/database/connections"];

export function Steering({ databases, isAnyPaused }: { databases: string[]; isAnyPaused: boolean }) {
  const [asked, setAsked] = useState<Verb | null>(null);
  const [database, setDatabase] = useState("");
  const whyNot = useWhyNot(true);
  const steer = useAction(
    (verb: Verb) => api.post(`/database/connection-pool/${verb}`, database === "" ? {} : { database }),
    { done: WORDS[asked ?? "pause"].done, refreshes: REFRESHES, onDone: () => setAsked(null) },
  );
  const words = WORDS[asked ?? "pause"];
  const button = (verb: Verb, isFirst = false) => (
    <Button
      look={isFirst ? "primary" : "plain"}
      disabled={whyNot !== undefined}
      title={whyNot}
      onClick={() => setAsked(verb)}
    >
      {WORDS[verb].verb}
    </Button>
  );
  return (
    <>
      {button("pause")}
      {button("resume", isAnyPaused)}
      {button("reconnect")}
      <Confirm
        title={words.title}
        isOpen={asked !== null}
        onClose={() => setAsked(null)}
        onConfirm={() => asked && steer.run(asked)}
        verb={words.verb}
        isBusy={steer.isBusy}
      >
        <div className="stack">
          <p>{words.text}</p>
          <SelectField
            label="Database"
            value={database}
            onChange={setDatabase}
            choices={[
              { value: "", title: "All databases" },
              ...databases.map((name) => ({ value: name, title: name })),
            ]}
          />
        </div>
      </Confirm>
    </>
  );
}
