// The login: a token is pasted, tried, and kept for this tab.
import { type FormEvent, useEffect, useState } from "react";
import { flushSync } from "react-dom";
import { api } from "@/api/client";
import { asProblem } from "@/api/problem";
import { hasToken, useReturnTo } from "@/api/session";
import { keepToken } from "@/api/token";
import type { Session } from "@/api/types";
import { navigate } from "@/router";
import { Logo } from "@/shell/Logo";
import { Button } from "@/ui/Button";
import { TextField } from "@/ui/Form";
import styles from "./Login.module.css";

export default function LoginPage({ enter }: { enter: (session: Session) => void }) {
  const [token, setToken] = useState("");
  const [error, setError] = useState(() =>
    hasToken() ? "The token of this tab is no longer accepted." : "",
  );
  const [isBusy, setBusy] = useState(false);
  const to = useReturnTo();

  useEffect(() => {
    document.title = "Log in · Weir";
  }, []);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError("");
    keepToken(token.trim());
    try {
      const session = await api.get<Session>("/session");
      // First one is in, then one goes: elsewhere is no place for those who are not.
      flushSync(() => enter(session));
      navigate(to, { replace: true });
    } catch (thrown) {
      keepToken(null);
      const problem = asProblem(thrown);
      setError(problem.status === 401 ? "The console does not know this token." : problem.message);
    } finally {
      setBusy(false);
    }
  };

  return (
    <main className={styles.page}>
      <form className={styles.card} onSubmit={(event) => void submit(event)}>
        <div className={styles.brand}>
          <Logo />
        </div>
        <h1 className={styles.title}>Log in</h1>
        <p className={styles.lead}>
          Paste a token. An operator makes one with <code>weir token</code>; it begins with <code>weir_</code>
          .
        </p>
        <TextField
          label="Token"
          type="password"
          value={token}
          onChange={setToken}
          error={error}
          autoComplete="current-password"
          spellCheck={false}
          autoFocus
          required
        />
        <Button look="primary" type="submit" isBusy={isBusy} disabled={token.trim() === ""}>
          Log in
        </Button>
        <p className={styles.small}>The token stays in this tab and is forgotten when the tab is closed.</p>
      </form>
    </main>
  );
}
