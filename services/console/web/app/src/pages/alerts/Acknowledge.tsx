// Says that one looks after an alert, with a note for the others.
import { useEffect, useState } from "react";
import { type Alert, api, useAction } from "@/api";
import { Button, Dialog, TextArea } from "@/ui";
import { ALERTS } from "./types";

const NOTE_MAX = 500;

interface AcknowledgeProps {
  alert: Alert;
  isOpen: boolean;
  onClose: () => void;
}

export function Acknowledge({ alert, isOpen, onClose }: AcknowledgeProps) {
  const [note, setNote] = useState(alert.acknowledged_note);
  useEffect(() => {
    if (isOpen) setNote(alert.acknowledged_note);
  }, [isOpen, alert.acknowledged_note]);
  const acknowledge = useAction(
    () => api.post(`${ALERTS}/${encodeURIComponent(alert.id)}/acknowledge`, { note: note.trim() }),
    { done: "You look after it.", refreshes: [ALERTS], onDone: onClose },
  );
  const actions = (
    <>
      <Button onClick={onClose}>Cancel</Button>
      <Button look="primary" isBusy={acknowledge.isBusy} onClick={() => acknowledge.run()}>
        Acknowledge
      </Button>
    </>
  );
  return (
    <Dialog title="Look after this alert" isOpen={isOpen} onClose={onClose} actions={actions}>
      <div className="stack">
        <p>{alert.summary}</p>
        <TextArea
          label="Note"
          help="For whoever looks next. The alert goes on firing until its cause is gone."
          value={note}
          onChange={setNote}
          maxLength={NOTE_MAX}
          rows={3}
          autoFocus
        />
      </div>
    </Dialog>
  );
}
