// Makes a token: whose data, what it may, until when. Its secret is shown once, until the dialog is closed.
import { type FormEvent, useEffect, useState } from "react";
import { api, useAction, useSession } from "@/api";
import { full } from "@/format";
import { Button, CopyButton, Dialog, Icon, Segments, SelectField, TextField, useNow } from "@/ui";
import styles from "./Security.module.css";
import { type MadeToken, type Role, TOKENS } from "./types";

const DAY_MS = 86_400_000;
const SPANS = [
  { value: "1", title: "1 day" },
  { value: "30", title: "30 days" },
  { value: "90", title: "90 days" },
  { value: "365", title: "1 year" },
  { value: "", title: "No end" },
];
const ROLES = [
  { value: "viewer", title: "Look" },
  { value: "operator", title: "Look and change" },
];
const FORM = "new-token";

export function NewToken({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const [made, setMade] = useState<MadeToken | null>(null);
  const create = useAction((body: object) => api.post<MadeToken>(TOKENS, body), {
    refreshes: [TOKENS],
    onDone: setMade,
  });
  // The secret does not outlive the dialog.
  useEffect(() => {
    if (!isOpen) setMade(null);
  }, [isOpen]);
  const actions = made ? (
    <Button look="primary" onClick={onClose}>
      I have kept it
    </Button>
  ) : (
    <>
      <Button onClick={onClose}>Cancel</Button>
      <Button look="primary" type="submit" form={FORM} isBusy={create.isBusy}>
        Make the token
      </Button>
    </>
  );
  return (
    <Dialog title={made ? "The new token" : "New token"} isOpen={isOpen} onClose={onClose} actions={actions}>
      {made ? <Secret made={made} /> : <Fields onSubmit={(body) => void create.run(body)} />}
    </Dialog>
  );
}

function Fields({ onSubmit }: { onSubmit: (body: object) => void }) {
  const { session } = useSession();
  const now = useNow();
  const [name, setName] = useState("");
  const [project, setProject] = useState("");
  const [role, setRole] = useState<string>("viewer" satisfies Role);
  const [days, setDays] = useState("90");
  const [isTried, setTried] = useState(false);
  const endsUnixMs = days === "" ? null : now + Number(days) * DAY_MS;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (name.trim() === "") return;
    onSubmit({ name: name.trim(), project: project || null, role, expires_unix_ms: endsUnixMs });
  };
  const projects = [
    { value: "", title: "Everything: the whole server" },
    ...session.projects.map((one) => ({ value: one, title: `Project ${one}` })),
  ];
  return (
    <form id={FORM} className="stack" onSubmit={submit} noValidate>
      <TextField
        label="Name"
        help="Whom or what it is for; the audit names it."
        value={name}
        onChange={setName}
        error={isTried && name.trim() === "" ? "A token needs a name." : ""}
        maxLength={100}
        autoComplete="off"
        autoFocus
      />
      <SelectField label="Sees" value={project} onChange={setProject} choices={projects} />
      <div className={styles.choice}>
        <span aria-hidden="true">May</span>
        <Segments label="May" value={role} onChange={setRole} choices={ROLES} />
      </div>
      <div className={styles.choice}>
        <span aria-hidden="true">Ends after</span>
        <Segments label="Ends after" value={days} onChange={setDays} choices={SPANS} />
      </div>
      <p className="muted">
        {endsUnixMs === null ? "It holds until it is revoked." : `It ends on ${full(endsUnixMs)}.`}
      </p>
    </form>
  );
}

function Secret({ made }: { made: MadeToken }) {
  return (
    <div className="stack">
      <p className={styles.once}>
        <Icon name="warning" size={18} />
        <span>It is shown now and never again. Weir keeps only what it needs to recognise it.</span>
      </p>
      <div className={styles.secret}>
        <code>{made.secret}</code>
        <CopyButton text={made.secret}>Copy</CopyButton>
      </div>
      <p className="muted">
        Send it as <code>Authorization: Bearer weir_…</code>, or paste it at the login of the dashboard.
      </p>
    </div>
  );
}
