//! Rows of `notices`, `notice_groups` and `notice_channels`.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::alert::Notice;

/// Longest name of a group; it is part of an index, which has a bound of its own.
const NAME_CHARACTERS_MAX: usize = 300;
/// Longest text of a notice, and of a label's value.
const TEXT_CHARACTERS_MAX: usize = 1_000;
const LABEL_CHARACTERS_MAX: usize = 300;
/// Most labels and most traces of a notice.
const LIST_MAX: usize = 20;

/// A notice that nobody has shared out yet.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct NoticeRow {
    pub(crate) seq: i64,
    pub(crate) notice: String,
}

/// One group of one channel.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct GroupRow {
    pub(crate) channel: String,
    pub(crate) name: String,
    pub(crate) state: String,
}

/// What a group is to be from now on.
#[derive(Debug, Default)]
pub(crate) struct GroupColumns {
    pub(crate) channels: Vec<String>,
    pub(crate) names: Vec<String>,
    pub(crate) states: Vec<String>,
    pub(crate) due_ms: Vec<i64>,
    pub(crate) pending: Vec<i32>,
    pub(crate) failures: Vec<i32>,
}

/// How a channel fares.
#[derive(Debug, Clone, Default, sqlx::FromRow)]
pub(crate) struct ChannelRow {
    pub(crate) name: String,
    pub(crate) last_success_unix_ms: i64,
    pub(crate) last_error_unix_ms: i64,
    pub(crate) last_error: String,
}

/// How much a channel has before it.
#[derive(Debug, Clone, Default, sqlx::FromRow)]
pub(crate) struct BacklogRow {
    pub(crate) channel: String,
    pub(crate) pending: i64,
    pub(crate) failures: i64,
}

/// Writes a notice in the caller's transaction: the channels are told if, and only if, that one commits.
///
/// Change the alert's own row first: its lock then keeps the notices of one alert in their order.
pub(crate) async fn enqueue_notice(transaction: &mut PgConnection, notice: &Notice) -> sqlx::Result<()> {
    let text = serde_json::to_string(&clipped(notice)).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let written = sqlx::query("insert into notices (notice) values ($1)")
        .bind(text)
        .execute(transaction)
        .await;
    written.map(|_| ())
}

/// A notice of bounded size.
pub(crate) fn clipped(notice: &Notice) -> Notice {
    let clip = |text: &String| text.chars().take(TEXT_CHARACTERS_MAX).collect::<String>();
    let label = |text: &String| text.chars().take(LABEL_CHARACTERS_MAX).collect::<String>();
    let plain = |found: char| if found == '\0' { '\u{fffd}' } else { found };
    let name = |text: &String| text.chars().take(NAME_CHARACTERS_MAX).map(plain).collect::<String>();
    let labels = notice
        .labels
        .iter()
        .take(LIST_MAX)
        .map(|(key, value)| (label(key), label(value)));
    Notice {
        alert_id: name(&notice.alert_id),
        key: name(&notice.key),
        group: name(&notice.group),
        rule: clip(&notice.rule),
        severity: clip(&notice.severity),
        project: clip(&notice.project),
        labels: labels.collect(),
        summary: clip(&notice.summary),
        fingerprint: clip(&notice.fingerprint),
        runbook: clip(&notice.runbook),
        traces: notice.traces.iter().take(LIST_MAX).map(clip).collect(),
        ..*notice
    }
}

/// What the database's clock says, in milliseconds since 1970.
pub(crate) async fn now_ms(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("select notices_now_ms()")
        .fetch_one(connection)
        .await
}

/// Takes the oldest notices out, in their order. Another instance that wants them waits until this transaction ends, so
/// that no later notice overtakes an earlier one; one that hangs in its transaction is cut off by the server.
pub(crate) async fn take_notices(transaction: &mut PgConnection, at_most: i64) -> sqlx::Result<Vec<NoticeRow>> {
    sqlx::query("set local idle_in_transaction_session_timeout = '15s'")
        .execute(&mut *transaction)
        .await?;
    let rows: Vec<NoticeRow> = sqlx::query_as("select seq, notice from notices order by seq limit $1 for update")
        .bind(at_most)
        .fetch_all(&mut *transaction)
        .await?;
    let taken: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    if !taken.is_empty() {
        sqlx::query("delete from notices where seq = any($1)")
            .bind(taken)
            .execute(transaction)
            .await?;
    }
    Ok(rows)
}

/// The groups of these names that there are, locked.
pub(crate) async fn lock_groups(
    transaction: &mut PgConnection,
    channels: &[&str],
    names: &[&str],
) -> sqlx::Result<Vec<GroupRow>> {
    sqlx::query_as(
        "select channel, name, state from notice_groups
         where (channel, name) in (select * from unnest($1::text[], $2::text[])) order by channel, name for update",
    )
    .bind(channels)
    .bind(names)
    .fetch_all(transaction)
    .await
}

/// Groups of a channel whose time has come and that nobody sends, locked.
pub(crate) async fn lock_due(
    transaction: &mut PgConnection,
    channel: &str,
    now_ms: i64,
    at_most: i64,
) -> sqlx::Result<Vec<GroupRow>> {
    sqlx::query_as(
        "select channel, name, state from notice_groups
         where channel = $1 and greatest(due_ms, leased_until_ms) <= $2
         order by greatest(due_ms, leased_until_ms) limit $3 for update skip locked",
    )
    .bind(channel)
    .bind(now_ms)
    .bind(at_most)
    .fetch_all(transaction)
    .await
}

/// Writes groups. Whoever sends one goes on doing so.
pub(crate) async fn save_groups(transaction: &mut PgConnection, groups: &GroupColumns) -> sqlx::Result<()> {
    sqlx::query(
        "insert into notice_groups (channel, name, state, due_ms, pending, failures)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::int[])
         on conflict (channel, name) do update set state = excluded.state, due_ms = excluded.due_ms,
            pending = excluded.pending, failures = excluded.failures",
    )
    .bind(&groups.channels)
    .bind(&groups.names)
    .bind(&groups.states)
    .bind(&groups.due_ms)
    .bind(&groups.pending)
    .bind(&groups.failures)
    .execute(transaction)
    .await
    .map(|_| ())
}

/// Notes who sends these groups of a channel, and until when that is to be believed; nobody, where no one is named.
pub(crate) async fn lease_groups(
    transaction: &mut PgConnection,
    channel: &str,
    names: &[&str],
    holder: Option<Uuid>,
    until_ms: i64,
) -> sqlx::Result<()> {
    let leased = sqlx::query(
        "update notice_groups set leased_by = $3, leased_until_ms = $4 where channel = $1 and name = any($2)",
    );
    let leased = leased
        .bind(channel)
        .bind(names)
        .bind(holder)
        .bind(until_ms)
        .execute(transaction)
        .await;
    leased.map(|_| ())
}

/// Forgets groups of a channel that have nothing left to tell or to remember.
pub(crate) async fn forget_groups(transaction: &mut PgConnection, channel: &str, names: &[&str]) -> sqlx::Result<()> {
    let forgotten = sqlx::query("delete from notice_groups where channel = $1 and name = any($2)");
    forgotten
        .bind(channel)
        .bind(names)
        .execute(transaction)
        .await
        .map(|_| ())
}

/// Whether there are notices that nobody has shared out.
pub(crate) async fn are_waiting(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from notices)")
        .fetch_one(connection)
        .await
}

/// When the next group of each of these channels is due.
pub(crate) async fn due(connection: &mut PgConnection, channels: &[&str]) -> sqlx::Result<Vec<(String, i64)>> {
    sqlx::query_as(
        "select wanted.name, next.due_ms from unnest($1::text[]) as wanted (name)
         cross join lateral (select greatest(due_ms, leased_until_ms) as due_ms from notice_groups
            where channel = wanted.name order by greatest(due_ms, leased_until_ms) limit 1) as next",
    )
    .bind(channels)
    .fetch_all(connection)
    .await
}

/// Notes how an attempt of a channel went.
pub(crate) async fn note_channel(
    connection: &mut PgConnection,
    channel: &str,
    now_unix_ms: i64,
    error: Option<&str>,
) -> sqlx::Result<()> {
    let noted = sqlx::query(
        "insert into notice_channels (name, last_success_unix_ms, last_error_unix_ms, last_error, seen_ms)
         values ($1, case when $3::text is null then $2 else 0 end, case when $3 is null then 0 else $2 end,
            coalesce($3, ''), notices_now_ms())
         on conflict (name) do update set
            last_success_unix_ms = greatest(notice_channels.last_success_unix_ms, excluded.last_success_unix_ms),
            last_error_unix_ms = greatest(notice_channels.last_error_unix_ms, excluded.last_error_unix_ms),
            last_error = case when $3 is null then notice_channels.last_error else excluded.last_error end,
            seen_ms = excluded.seen_ms",
    );
    noted
        .bind(channel)
        .bind(now_unix_ms)
        .bind(error.map(storable))
        .execute(connection)
        .await
        .map(|_| ())
}

fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// How all channels fare.
pub(crate) async fn channel_rows(connection: &mut PgConnection) -> sqlx::Result<Vec<ChannelRow>> {
    sqlx::query_as("select name, last_success_unix_ms, last_error_unix_ms, last_error from notice_channels")
        .fetch_all(connection)
        .await
}

/// How much each channel has before it.
pub(crate) async fn backlog(connection: &mut PgConnection) -> sqlx::Result<Vec<BacklogRow>> {
    sqlx::query_as(
        "select channel, sum(pending)::bigint as pending, coalesce(max(failures), 0)::bigint as failures
         from notice_groups group by channel",
    )
    .fetch_all(connection)
    .await
}

/// Forgets what belongs to channels that no file has any more. Their groups are due and nobody sends them; the time
/// allowed lets instances with older or newer files finish. Returns how many alerts nobody was told of, by channel.
pub(crate) async fn forget_channels(
    connection: &mut PgConnection,
    known: &[&str],
    idle_ms: i64,
) -> sqlx::Result<Vec<(String, i64)>> {
    let untold = sqlx::query_as(
        "with gone as (delete from notice_groups
            where channel <> all($1) and greatest(due_ms, leased_until_ms) < notices_now_ms() - $2
            returning channel, pending)
         select channel, sum(pending)::bigint from gone group by channel",
    );
    let untold = untold.bind(known).bind(idle_ms).fetch_all(&mut *connection).await?;
    sqlx::query("delete from notice_channels where name <> all($1) and seen_ms < notices_now_ms() - $2")
        .bind(known)
        .bind(idle_ms)
        .execute(connection)
        .await?;
    Ok(untold)
}
