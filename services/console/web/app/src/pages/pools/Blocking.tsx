// Who holds others up: a tree for each chain, the statement and the wait of each session; below, the oldest transactions.
import { duration, plural } from "@/format";
import { Link } from "@/router";
import { Badge, type Column, Empty, Icon, Sql, Table } from "@/ui";
import styles from "./Blocking.module.css";
import { type BlockNode, countBelow, treeOf } from "./chains";
import type { BlockingChain, ServerSession } from "./types";

export function Blocking({ chains }: { chains: BlockingChain[] }) {
  if (chains.length === 0) {
    return (
      <Empty title="Nobody waits for anybody" icon="check">
        As soon as one session waits for a lock of another, the chain stands here as a tree.
      </Empty>
    );
  }
  return (
    <ul className={styles.chains}>
      {chains.map((chain) => {
        const tree = treeOf(chain);
        if (!tree) return null;
        return <Chain key={`${tree.session.upstream}/${tree.session.pid}`} chain={chain} tree={tree} />;
      })}
    </ul>
  );
}

function Chain({ chain, tree }: { chain: BlockingChain; tree: BlockNode }) {
  const waiting = countBelow(tree);
  return (
    <li>
      <p className={styles.summary}>
        <Icon name="tree" size={18} />
        <span>
          {chain.is_circle ? "They wait for each other in a circle: " : ""}
          <b>{plural(waiting, "session")}</b> {waiting === 1 ? "waits" : "wait"}, the longest for{" "}
          <b>{duration(chain.blocked_seconds * 1000)}</b>
        </span>
      </p>
      <ul className={styles.tree}>
        <Node node={tree} isCircle={chain.is_circle} />
      </ul>
    </li>
  );
}

function Node({ node, isCircle = false }: { node: BlockNode; isCircle?: boolean }) {
  const { session, waitsSeconds } = node;
  return (
    <li className={styles.node}>
      <div className={styles.session} data-root={waitsSeconds === null || isCircle || undefined}>
        <div className={styles.head}>
          <b>{session.pid === 0 ? "Prepared transaction" : `Process ${session.pid}`}</b>
          {waitsSeconds === null ? (
            <Badge tone="bad">holds {plural(node.waiting.length, "session")} up</Badge>
          ) : (
            <Badge tone="warn">waits {duration(waitsSeconds * 1000)}</Badge>
          )}
          <span className={styles.who}>
            {session.role}@{session.database}
            {session.application ? ` · ${session.application}` : ""}
            {session.address ? ` · ${session.address}` : ""}
          </span>
        </div>
        <p className={styles.doing}>{doingOf(session, node)}</p>
        <Statement session={session} />
      </div>
      {node.waiting.length > 0 && (
        <ul className={styles.tree}>
          {node.waiting.map((child) => (
            <Node key={child.session.pid} node={child} />
          ))}
        </ul>
      )}
    </li>
  );
}

function doingOf(session: ServerSession, node: BlockNode): string {
  const parts = [session.state];
  if (session.transaction_seconds > 0)
    parts.push(`in a transaction for ${duration(session.transaction_seconds * 1000)}`);
  if (session.wait_event) parts.push(`waits for ${session.wait_event_type} ${session.wait_event}`);
  if (node.alsoFor.length > 0) parts.push(`also waits for ${node.alsoFor.join(", ")}`);
  return parts.filter((part) => part !== "").join(" · ");
}

function Statement({ session }: { session: ServerSession }) {
  if (session.text === "") return <span className="muted">Its statement cannot be told without values.</span>;
  return (
    <div className={styles.statement}>
      <Sql sql={session.text} />
      {session.fingerprint && (
        <Link to={`/queries/${session.fingerprint}`} className={styles.link}>
          To the query
        </Link>
      )}
    </div>
  );
}

const COLUMNS: Column<ServerSession>[] = [
  {
    key: "pid",
    title: "Process",
    cell: (row) => <b>{row.pid || "prepared"}</b>,
    sort: (row) => row.pid,
    width: "92px",
  },
  {
    key: "transaction_seconds",
    title: "In transaction",
    cell: (row) =>
      row.transaction_seconds > 0 ? (
        duration(row.transaction_seconds * 1000)
      ) : (
        <span className="muted">none</span>
      ),
    sort: (row) => row.transaction_seconds,
    numeric: true,
    width: "132px",
  },
  { key: "state", title: "State", cell: (row) => row.state, sort: (row) => row.state, width: "160px" },
  {
    key: "role",
    title: "Who",
    cell: (row) => `${row.role}@${row.database}`,
    sort: (row) => row.role,
    width: "160px",
  },
  {
    key: "wait_event",
    title: "Waits for",
    cell: (row) => row.wait_event || <span className="muted">nothing</span>,
    width: "140px",
    wideOnly: true,
  },
  {
    key: "text",
    title: "Statement",
    cell: (row) => (
      <div className={styles.oneLine}>
        {row.fingerprint ? (
          <Link to={`/queries/${row.fingerprint}`}>
            <Sql sql={row.text} />
          </Link>
        ) : (
          <Sql sql={row.text} />
        )}
      </div>
    ),
    lead: true,
  },
];

export function Activity({ sessions }: { sessions: ServerSession[] }) {
  return (
    <Table
      label="Sessions, those in the oldest transactions first"
      columns={COLUMNS}
      rows={sessions}
      rowKey={(row) => `${row.upstream}/${row.pid}/${row.text.length}`}
      initialSort="-transaction_seconds"
      sortName="sessions"
      empty={<Empty title="No session">The servers tell of their sessions every few seconds.</Empty>}
    />
  );
}
