//! Rows of `changes`, `advice_shown` and `advice_samples`.

use serde_json::Value as Json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// One change.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct ChangeRow {
    pub(crate) id: Uuid,
    pub(crate) project: String,
    pub(crate) advice_id: String,
    pub(crate) kind: String,
    pub(crate) database: String,
    pub(crate) table_schema: String,
    pub(crate) table_name: String,
    pub(crate) object: String,
    pub(crate) option: String,
    pub(crate) old_value: Option<String>,
    pub(crate) new_value: Option<String>,
    pub(crate) old_shown: String,
    pub(crate) requested_by: String,
    pub(crate) reason: String,
    pub(crate) state: String,
    pub(crate) note: String,
    pub(crate) evidence: Option<Json>,
    pub(crate) begun_unix_ms: i64,
    pub(crate) ended_unix_ms: Option<i64>,
}

/// A question for changes, as one text that cannot be put together wrongly.
macro_rules! changes {
    ($which:literal) => {
        concat!(
            "select id, project, advice_id, kind, database, table_schema, table_name, object, option, old_value, new_value,
                old_shown, requested_by, reason, state, note, evidence,
                (extract(epoch from begun_at) * 1000)::bigint as begun_unix_ms,
                (extract(epoch from ended_at) * 1000)::bigint as ended_unix_ms from changes ",
            $which
        )
    };
}

/// Writes a change that is about to be made. What was in force for the same value is superseded by it.
pub(crate) async fn begin(pool: &PgPool, new: &ChangeRow) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query(
        "update changes set state = 'superseded', superseded_by = $3, note = 'changed again on advice'
         where object = $1 and option = $2 and state in ('applied', 'pending_restart')",
    )
    .bind(&new.object)
    .bind(&new.option)
    .bind(new.id)
    .execute(&mut *transaction)
    .await?;
    insert(&mut transaction, new).await?;
    transaction.commit().await
}

async fn insert(connection: &mut PgConnection, new: &ChangeRow) -> sqlx::Result<()> {
    sqlx::query(
        "insert into changes (id, project, advice_id, kind, database, table_schema, table_name, object, option,
            old_value, new_value, old_shown, requested_by, reason, state, evidence, begun_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
            to_timestamp($17::double precision / 1000))",
    )
    .bind(new.id)
    .bind(&new.project)
    .bind(&new.advice_id)
    .bind(&new.kind)
    .bind(&new.database)
    .bind(&new.table_schema)
    .bind(&new.table_name)
    .bind(&new.object)
    .bind(&new.option)
    .bind(&new.old_value)
    .bind(&new.new_value)
    .bind(&new.old_shown)
    .bind(&new.requested_by)
    .bind(&new.reason)
    .bind(&new.state)
    .bind(&new.evidence)
    .bind(new.begun_unix_ms)
    .execute(connection)
    .await?;
    Ok(())
}

/// Moves a change from one state to another. False if it was not in that state any more.
pub(crate) async fn move_on(
    pool: &PgPool,
    id: Uuid,
    from: &str,
    to: &str,
    note: &str,
    now_unix_ms: i64,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update changes set state = $3, note = $4,
            ended_at = case when $3 in ('reverted', 'superseded', 'failed') then to_timestamp($5::double precision / 1000) end
         where id = $1 and state = $2",
    )
    .bind(id)
    .bind(from)
    .bind(to)
    .bind(note)
    .bind(now_unix_ms)
    .execute(pool)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// A change that did not take place, or was taken back, leaves what was before it in force again.
pub(crate) async fn reinstate(pool: &PgPool, undone: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update changes set state = 'applied', superseded_by = null, note = '', ended_at = null
         where superseded_by = $1 and state = 'superseded'",
    )
    .bind(undone)
    .execute(pool)
    .await
    .map(|_| ())
}

/// One change of a project.
pub(crate) async fn find(pool: &PgPool, project: &str, id: Uuid) -> sqlx::Result<Option<ChangeRow>> {
    sqlx::query_as(changes!("where project = $1 and id = $2"))
        .bind(project)
        .bind(id)
        .fetch_optional(pool)
        .await
}

/// Changes of a project, the newest first; with or without those of the server.
pub(crate) async fn list(
    pool: &PgPool,
    project: &str,
    server: bool,
    before: Option<Uuid>,
    size: u32,
) -> sqlx::Result<Vec<ChangeRow>> {
    sqlx::query_as(changes!(
        "where project = $1 and ($2::uuid is null or id < $2) and ($4 or database <> '') order by id desc limit $3"
    ))
    .bind(project)
    .bind(before)
    .bind(i64::from(size))
    .bind(server)
    .fetch_all(pool)
    .await
}

/// Changes in force, or on their way, of all projects.
pub(crate) async fn live(pool: &PgPool) -> sqlx::Result<Vec<ChangeRow>> {
    sqlx::query_as(changes!(
        "where state in ('applying', 'applied', 'pending_restart', 'reverting') order by id"
    ))
    .fetch_all(pool)
    .await
}

/// What was shown of a piece of advice.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct ShownRow {
    pub(crate) advice_id: String,
    pub(crate) current: Option<String>,
    pub(crate) proposed: Option<String>,
}

/// Writes down what is shown, and forgets what was not shown for a month.
pub(crate) async fn show(pool: &PgPool, project: &str, shown: &[ShownRow], now_unix_ms: i64) -> sqlx::Result<()> {
    let ids: Vec<&str> = shown.iter().map(|row| row.advice_id.as_str()).collect();
    let current: Vec<Option<&str>> = shown.iter().map(|row| row.current.as_deref()).collect();
    let proposed: Vec<Option<&str>> = shown.iter().map(|row| row.proposed.as_deref()).collect();
    sqlx::query(
        "insert into advice_shown (project, advice_id, current, proposed, shown_at)
         select $1, *, to_timestamp($5::double precision / 1000) from unnest($2::text[], $3::text[], $4::text[])
         on conflict (project, advice_id) do update set
            current = excluded.current, proposed = excluded.proposed, shown_at = excluded.shown_at",
    )
    .bind(project)
    .bind(ids)
    .bind(current)
    .bind(proposed)
    .bind(now_unix_ms)
    .execute(pool)
    .await?;
    sqlx::query(
        "delete from advice_shown where shown_at < to_timestamp($1::double precision / 1000) - interval '30 days'",
    )
    .bind(now_unix_ms)
    .execute(pool)
    .await
    .map(|_| ())
}

/// What was shown of one piece of advice last.
pub(crate) async fn shown(pool: &PgPool, project: &str, advice_id: &str) -> sqlx::Result<Option<ShownRow>> {
    sqlx::query_as("select advice_id, current, proposed from advice_shown where project = $1 and advice_id = $2")
        .bind(project)
        .bind(advice_id)
        .fetch_optional(pool)
        .await
}

/// Keeps the highest value of each object in this hour, and forgets those older than five weeks.
pub(crate) async fn sample(
    pool: &PgPool,
    database: &str,
    values: &[(String, f64)],
    now_unix_ms: i64,
) -> sqlx::Result<()> {
    let objects: Vec<&str> = values.iter().map(|(object, _)| object.as_str()).collect();
    let numbers: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
    sqlx::query(
        "insert into advice_samples (database, object, hour, value)
         select $1, u.object, date_trunc('hour', to_timestamp($4::double precision / 1000)), u.value
         from unnest($2::text[], $3::double precision[]) u(object, value)
         on conflict (database, object, hour) do update set value = greatest(advice_samples.value, excluded.value)",
    )
    .bind(database)
    .bind(objects)
    .bind(numbers)
    .bind(now_unix_ms)
    .execute(pool)
    .await?;
    sqlx::query(
        "delete from advice_samples where hour < to_timestamp($1::double precision / 1000) - interval '35 days'",
    )
    .bind(now_unix_ms)
    .execute(pool)
    .await
    .map(|_| ())
}

/// What is known of an object over time.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct HistoryRow {
    pub(crate) object: String,
    pub(crate) first_unix_ms: i64,
    pub(crate) first: f64,
    pub(crate) most: f64,
}

/// The history of every object of a database.
pub(crate) async fn history(pool: &PgPool, database: &str) -> sqlx::Result<Vec<HistoryRow>> {
    sqlx::query_as(
        "select object, (extract(epoch from min(hour)) * 1000)::bigint as first_unix_ms,
            (array_agg(value order by hour))[1] as first, max(value) as most
         from advice_samples where database = $1 group by object",
    )
    .bind(database)
    .fetch_all(pool)
    .await
}
