//! Rows of `query_changes`: levels of latency that gave way to others.

use sqlx::PgConnection;
use uuid::Uuid;

/// One change.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct ChangeRow {
    pub(crate) id: Uuid,
    pub(crate) project: String,
    pub(crate) database: String,
    pub(crate) fingerprint: i64,
    pub(crate) at_unix_ms: i64,
    pub(crate) before_ms: f64,
    pub(crate) after_ms: f64,
    pub(crate) found_unix_ms: i64,
}

/// Longest text of a column. Names are part of an index, which has a bound of its own.
const TEXT_CHARACTERS_MAX: usize = 200;
/// Rows deleted at a time.
const FORGET_MAX: i64 = 10_000;

/// A text that PostgreSQL takes: one name that it refuses would keep everything else waiting.
pub(super) fn storable(text: &str) -> String {
    let head: String = text.chars().take(TEXT_CHARACTERS_MAX).collect();
    head.replace('\0', "\u{fffd}")
}

/// Notes a change. One that was found before, within `tolerance_ms`, is the same, seen better now. True: it is new.
pub(crate) async fn note_change(
    connection: &mut PgConnection,
    row: &ChangeRow,
    tolerance_ms: i64,
) -> sqlx::Result<bool> {
    let database = storable(&row.database);
    let known = sqlx::query(
        "update query_changes set at_unix_ms = $5, before_ms = $6, after_ms = $7
         where id = (select id from query_changes where project = $1 and database = $2 and fingerprint = $3
            and at_unix_ms between $5 - $4 and $5 + $4 and (after_ms > before_ms) = ($7 > $6)
            order by abs(at_unix_ms - $5) limit 1)",
    )
    .bind(&row.project)
    .bind(&database)
    .bind(row.fingerprint)
    .bind(tolerance_ms)
    .bind(row.at_unix_ms)
    .bind(row.before_ms)
    .bind(row.after_ms)
    .execute(&mut *connection)
    .await?;
    if known.rows_affected() > 0 {
        return Ok(false);
    }
    insert_change(connection, row, &database).await.map(|()| true)
}

async fn insert_change(connection: &mut PgConnection, row: &ChangeRow, database: &str) -> sqlx::Result<()> {
    sqlx::query(
        "insert into query_changes (id, project, database, fingerprint, at_unix_ms, before_ms, after_ms, found_unix_ms)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(row.id)
    .bind(&row.project)
    .bind(database)
    .bind(row.fingerprint)
    .bind(row.at_unix_ms)
    .bind(row.before_ms)
    .bind(row.after_ms)
    .bind(row.found_unix_ms)
    .execute(connection)
    .await
    .map(|_| ())
}

/// Changes of a project since a moment, the latest first.
pub(crate) async fn list_changes(
    connection: &mut PgConnection,
    project: &str,
    since_unix_ms: i64,
    after: Option<(i64, Uuid)>,
    size: u32,
) -> sqlx::Result<Vec<ChangeRow>> {
    sqlx::query_as(
        "select * from query_changes
         where project = $1 and at_unix_ms >= $2 and ($3::bigint is null or (at_unix_ms, id) < ($3, $4))
         order by at_unix_ms desc, id desc limit $5",
    )
    .bind(project)
    .bind(since_unix_ms)
    .bind(after.map(|(at, _)| at))
    .bind(after.map(|(_, id)| id))
    .bind(i64::from(size))
    .fetch_all(connection)
    .await
}

/// Forgets changes of long ago, some at a time. True: there is more.
pub(crate) async fn forget_changes(connection: &mut PgConnection, before_unix_ms: i64) -> sqlx::Result<bool> {
    let sql = "delete from query_changes where ctid = any (array(
        select ctid from query_changes where at_unix_ms < $1 limit $2))";
    forget_some(connection, sql, before_unix_ms).await
}

/// Deletes what is older than a moment, as many rows as one statement should; the statement takes both. True: there
/// may be more.
pub(super) async fn forget_some(
    connection: &mut PgConnection,
    sql: &'static str,
    before_unix_ms: i64,
) -> sqlx::Result<bool> {
    let done = sqlx::query(sql)
        .bind(before_unix_ms)
        .bind(FORGET_MAX)
        .execute(connection)
        .await?;
    Ok(done.rows_affected().cast_signed() >= FORGET_MAX)
}
