// Who is told of alerts, whether that works, and a way to try it.
import { useState } from "react";
import { api, useAction, useApi, useSession } from "@/api";
import { duration, exact } from "@/format";
import { Allowed, Badge, Button, type Column, Empty, Panel, Table, Time } from "@/ui";
import styles from "./Alerts.module.css";
import { type AlertChannel, CHANNELS, type ChannelsResponse, type ChannelTest } from "./types";

/** A receiver may take its time, and the console waits for it. */
const TEST_TIMEOUT_MS = 95_000;

export function Channels() {
  const { mayChange, isOperator } = useSession();
  const state = useApi<ChannelsResponse>(CHANNELS, { every: 5, on: ["alert"] });
  const columns =
    mayChange && isOperator
      ? [
          ...COLUMNS,
          { key: "test", title: "", whole: true, cell: (row: AlertChannel) => <Test channel={row} /> },
        ]
      : COLUMNS;
  return (
    <Panel title="Channels" flush>
      <Allowed state={state} what="Channels">
        {(data) => (
          <Table
            label="All channels"
            columns={columns}
            rows={data.channels}
            rowKey={(row) => row.name}
            sortName="channels"
            empty={
              <Empty title="Nobody is told" icon="alerts">
                Alerts are shown here, and nowhere else. Channels are set in the file under{" "}
                <code>[[monitor.channels]]</code>: webhook, Slack, e-mail, PagerDuty, Alertmanager.
              </Empty>
            }
          />
        )}
      </Allowed>
    </Panel>
  );
}

function Works({ channel }: { channel: AlertChannel }) {
  const isFailing = channel.last_error_unix_ms > channel.last_success_unix_ms;
  if (isFailing)
    return (
      <Badge tone="bad" dot>
        fails
      </Badge>
    );
  if (channel.last_success_unix_ms === 0) return <Badge dot>never asked</Badge>;
  return (
    <Badge tone="good" dot>
      works
    </Badge>
  );
}

function wantsOf(channel: AlertChannel): string {
  const parts = [
    channel.severities.join(", "),
    channel.projects.length > 0 && `projects ${channel.projects.join(", ")}`,
    channel.rules.length > 0 && `rules ${channel.rules.join(", ")}`,
  ].filter(Boolean);
  const what = parts.length > 0 ? parts.join(" · ") : "everything";
  return channel.send_resolved ? what : `${what}, not their end`;
}

const COLUMNS: Column<AlertChannel>[] = [
  {
    key: "name",
    title: "Channel",
    cell: (row) => (
      <span className={styles.ruleName}>
        {row.name}
        <small>
          {row.kind} · {row.place}
        </small>
      </span>
    ),
    sort: (row) => row.name,
  },
  { key: "works", title: "State", cell: (row) => <Works channel={row} /> },
  { key: "wants", title: "Is told of", whole: true, cell: wantsOf },
  {
    key: "pending",
    title: "Waiting",
    numeric: true,
    help: "Alerts of which it still has to be told something",
    cell: (row) => exact(row.pending),
    sort: (row) => row.pending,
  },
  {
    key: "last_success_unix_ms",
    title: "Last told",
    cell: (row) => <Time at={row.last_success_unix_ms} />,
    sort: (row) => row.last_success_unix_ms,
  },
  {
    key: "last_error",
    title: "Last failure",
    whole: true,
    cell: (row) =>
      row.last_error_unix_ms === 0 ? (
        <span className="muted">none</span>
      ) : (
        <span className={styles.ruleName}>
          <Time at={row.last_error_unix_ms} />
          <small>{row.last_error}</small>
        </span>
      ),
  },
];

function Test({ channel }: { channel: AlertChannel }) {
  const [result, setResult] = useState<ChannelTest | null>(null);
  const test = useAction(
    () =>
      api.post<ChannelTest>(
        `${CHANNELS}/${encodeURIComponent(channel.name)}/test`,
        {},
        { timeoutMs: TEST_TIMEOUT_MS },
      ),
    { refreshes: [CHANNELS], onDone: setResult },
  );
  return (
    <div className={styles.test}>
      <Button small isBusy={test.isBusy} onClick={() => test.run()} aria-label={`Test ${channel.name}`}>
        Test
      </Button>
      <span role="status" className={styles.answer} data-accepted={result?.accepted}>
        {result && answerOf(result)}
      </span>
    </div>
  );
}

const answerOf = (result: ChannelTest): string =>
  result.accepted ? `accepted in ${duration(result.took_ms)}` : `refused: ${result.answer || result.status}`;
