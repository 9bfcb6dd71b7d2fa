// Tokens: who may call, what with, until when; made and revoked here.
import { useState } from "react";
import { api, pathWith, useAction, useApi, useSession } from "@/api";
import { full } from "@/format";
import { useQueryState } from "@/router";
import {
  Allowed,
  Badge,
  Button,
  CheckField,
  type Column,
  Confirm,
  Empty,
  Panel,
  Table,
  Time,
  useNow,
} from "@/ui";
import { NewToken } from "./NewToken";
import styles from "./Security.module.css";
import { TOKENS, type Token, type TokensResponse } from "./types";

export function Tokens() {
  const { mayChange, isOperator } = useSession();
  const [all, setAll] = useQueryState("all");
  const [isNew, setNew] = useState(false);
  const [revoking, setRevoking] = useState<Token | null>(null);
  const state = useApi<TokensResponse>(pathWith(TOKENS, { all: all ? true : null }), { every: 5 });
  const may = mayChange && isOperator;
  const actions = (
    <>
      <CheckField label="With revoked" checked={all === "1"} onChange={(on) => setAll(on ? "1" : "")} />
      {may && (
        <Button small look="primary" onClick={() => setNew(true)}>
          New token
        </Button>
      )}
    </>
  );
  return (
    <Panel title="Tokens" flush actions={actions}>
      <Allowed state={state} what="Tokens" height={240}>
        {(data) => <TokenTable tokens={data.tokens} onRevoke={may ? setRevoking : null} />}
      </Allowed>
      <NewToken isOpen={isNew} onClose={() => setNew(false)} />
      <Revoke token={revoking} onClose={() => setRevoking(null)} />
    </Panel>
  );
}

interface TokenTableProps {
  tokens: readonly Token[];
  onRevoke: ((token: Token) => void) | null;
}

function TokenTable({ tokens, onRevoke }: TokenTableProps) {
  const now = useNow();
  const columns: Column<Token>[] = [
    ...COLUMNS,
    { key: "state", title: "State", cell: (token) => <Standing token={token} now={now} /> },
  ];
  if (onRevoke)
    columns.push({
      key: "actions",
      title: "",
      whole: true,
      cell: (token) =>
        token.revoked_unix_ms === null && (
          <Button small look="danger" onClick={() => onRevoke(token)} aria-label={`Revoke ${token.name}`}>
            Revoke
          </Button>
        ),
    });
  return (
    <Table
      label="All tokens"
      columns={columns}
      rows={tokens}
      rowKey={(token) => token.id}
      sortName="tokens"
      rowHeight={52}
      cardHeight={220}
      empty={
        <Empty title="No token yet" icon="security">
          Programs and people who are not on this machine need one. It is told once, when it is made.
        </Empty>
      }
    />
  );
}

const COLUMNS: Column<Token>[] = [
  {
    key: "name",
    title: "Token",
    cell: (token) => (
      <span className={styles.two}>
        {token.name}
        <small>
          by {token.created_by}, <Time at={token.created_unix_ms} />
        </small>
      </span>
    ),
    sort: (token) => token.name,
  },
  {
    key: "project",
    title: "Sees",
    cell: (token) => (token.project === null ? "everything" : `project ${token.project}`),
    sort: (token) => token.project ?? "",
  },
  {
    key: "role",
    title: "May",
    cell: (token) => (token.role === "operator" ? "look and change" : "look"),
    sort: (token) => token.role,
  },
  {
    key: "last_used_unix_ms",
    title: "Last used",
    cell: (token) => <Time at={token.last_used_unix_ms ?? 0} />,
    sort: (token) => token.last_used_unix_ms ?? 0,
  },
];

/** A token that ends within this time is marked. */
const SOON_MS = 7 * 86_400_000;

function Standing({ token, now }: { token: Token; now: number }) {
  if (token.revoked_unix_ms !== null)
    return (
      <span className="row">
        <Badge>revoked</Badge> <Time at={token.revoked_unix_ms} />
      </span>
    );
  const ends = token.expires_unix_ms;
  if (ends === null) return <Badge tone="good">without end</Badge>;
  if (ends <= now)
    return (
      <span className="row">
        <Badge tone="bad">ended</Badge> <Time at={ends} />
      </span>
    );
  return (
    <Badge tone={ends - now < SOON_MS ? "warn" : "good"} title={full(ends)}>
      ends <Time at={ends} />
    </Badge>
  );
}

function Revoke({ token, onClose }: { token: Token | null; onClose: () => void }) {
  const revoke = useAction((id: string) => api.delete(`${TOKENS}/${encodeURIComponent(id)}`), {
    done: "The token is revoked.",
    refreshes: [TOKENS],
    onDone: onClose,
  });
  return (
    <Confirm
      title="Revoke a token"
      isOpen={token !== null}
      onClose={onClose}
      verb="Revoke it"
      typed={token?.name}
      isBusy={revoke.isBusy}
      onConfirm={() => token && revoke.run(token.id)}
    >
      {token && (
        <p>
          Whoever calls with <b>{token.name}</b> is refused from then on, and nothing brings the token back.
          It was last used <Time at={token.last_used_unix_ms ?? 0} />.
        </p>
      )}
    </Confirm>
  );
}
