// Dialogs on the browser's own <dialog>: focus stays inside, Escape closes, what is behind cannot be reached.
import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { Button, IconButton } from "./Button";
import styles from "./Dialog.module.css";
import { TextField } from "./Form";

interface DialogProps {
  title: string;
  isOpen: boolean;
  onClose: () => void;
  children: ReactNode;
  /** The buttons at its end. */
  actions?: ReactNode;
  wide?: boolean;
}

export function Dialog({ title, isOpen, onClose, children, actions, wide }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog) return;
    if (isOpen && !dialog.open) dialog.showModal();
    if (!isOpen && dialog.open) dialog.close();
  }, [isOpen]);
  return (
    <dialog
      ref={ref}
      className={wide ? `${styles.dialog} ${styles.wide}` : styles.dialog}
      aria-labelledby={id}
      onClose={onClose}
    >
      {isOpen && (
        <>
          <header className={styles.header}>
            <h2 id={id} className={styles.title}>
              {title}
            </h2>
            <IconButton label="Close" icon="close" onClick={onClose} />
          </header>
          <div className={styles.body}>{children}</div>
          {actions && <footer className={styles.actions}>{actions}</footer>}
        </>
      )}
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  isOpen: boolean;
  onClose: () => void;
  onConfirm: () => unknown;
  /** What the button says: the thing itself, such as `Delete the token`. */
  verb: string;
  /** Has to be typed before the button can be pressed, for what cannot be undone. */
  typed?: string;
  isBusy?: boolean;
  children: ReactNode;
}

export function Confirm({ title, isOpen, onClose, onConfirm, verb, typed, isBusy, children }: ConfirmProps) {
  const [text, setText] = useState("");
  useEffect(() => {
    if (!isOpen) setText("");
  }, [isOpen]);
  const isReady = typed === undefined || text === typed;
  const actions = (
    <>
      <Button onClick={onClose}>Cancel</Button>
      <Button
        look={typed ? "danger" : "primary"}
        disabled={!isReady}
        isBusy={isBusy}
        onClick={() => onConfirm()}
      >
        {verb}
      </Button>
    </>
  );
  return (
    <Dialog title={title} isOpen={isOpen} onClose={onClose} actions={actions}>
      <div className="stack">
        <div>{children}</div>
        {typed !== undefined && (
          <TextField
            label={`Type ${typed} to confirm`}
            value={text}
            onChange={setText}
            autoComplete="off"
            spellCheck={false}
          />
        )}
      </div>
    </Dialog>
  );
}
