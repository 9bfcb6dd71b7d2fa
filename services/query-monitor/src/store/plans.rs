//! Rows of `plans`.

use sqlx::{PgConnection, Row as _};
use weir_model::Fingerprint;
use weir_store::Store;

use crate::detect::SlowKey;

/// One plan that a shape had for some time.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct PlanRow {
    pub(crate) id: i64,
    pub(crate) database: String,
    pub(crate) fingerprint: i64,
    pub(crate) first_captured_unix_ms: i64,
    pub(crate) captured_unix_ms: i64,
    pub(crate) captures: i64,
    pub(crate) plan_shape: i64,
    pub(crate) plan: String,
    pub(crate) findings: String,
    /// What is different from the plan before; none for a shape's first.
    pub(crate) change: Option<String>,
    pub(crate) shortened: bool,
}

/// A plan that was captured.
#[derive(Debug)]
pub(crate) struct NewPlan<'a> {
    pub(crate) key: &'a SlowKey,
    pub(crate) now_unix_ms: i64,
    pub(crate) shape: i64,
    pub(crate) total_cost: f64,
    pub(crate) shortened: bool,
    pub(crate) json: &'a str,
    pub(crate) findings: &'a str,
}

/// Which plans to list.
#[derive(Debug)]
pub(crate) struct PlansWanted<'a> {
    pub(crate) project: &'a str,
    /// Empty: of all.
    pub(crate) database: &'a str,
    /// None: of all.
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) after: Option<(i64, i64)>,
    pub(crate) size: u32,
}

/// Longest name of a database that is kept. PostgreSQL's are shorter.
const NAME_CHARACTERS_MAX: usize = 200;

fn storable(name: &str) -> String {
    let head: String = name.chars().take(NAME_CHARACTERS_MAX).collect();
    head.replace('\0', "\u{fffd}")
}

/// The plan that a shape was last seen to have.
pub(crate) async fn latest_plan(store: &Store, key: &SlowKey) -> sqlx::Result<Option<PlanRow>> {
    let mut connection = store.pool().acquire().await?;
    latest(&mut connection, key).await
}

async fn latest(connection: &mut PgConnection, key: &SlowKey) -> sqlx::Result<Option<PlanRow>> {
    sqlx::query_as(
        "select * from plans where project = $1 and database = $2 and fingerprint = $3
         order by captured_unix_ms desc, id desc limit 1",
    )
    .bind(key.project.as_str())
    .bind(storable(&key.database))
    .bind(key.fingerprint.get().cast_signed())
    .fetch_optional(connection)
    .await
}

/// Keeps a plan. One of the same shape as the latest is that one seen again; another begins a row of its own, with what
/// `difference` makes of the one before. Says whether it did so. Monitors that do it at once take turns.
pub(crate) async fn keep_plan(
    store: &Store,
    new: &NewPlan<'_>,
    difference: impl Fn(&str) -> Option<String>,
) -> sqlx::Result<bool> {
    let mut transaction = store.pool().begin().await?;
    let turn = format!(
        "weir plan {} {} {}",
        new.key.project, new.key.database, new.key.fingerprint
    );
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(turn.replace('\0', "\u{fffd}"))
        .execute(&mut *transaction)
        .await?;
    let before = latest(&mut transaction, new.key).await?;
    let is_changed = match &before {
        Some(row) if row.plan_shape == new.shape => {
            seen_again(&mut transaction, row.id, new).await?;
            false
        }
        _ => {
            let change = before.as_ref().and_then(|row| difference(&row.plan));
            insert(&mut transaction, new, change).await?;
            before.is_some()
        }
    };
    transaction.commit().await?;
    Ok(is_changed)
}

async fn seen_again(connection: &mut PgConnection, id: i64, new: &NewPlan<'_>) -> sqlx::Result<()> {
    sqlx::query(
        "update plans set captured_unix_ms = greatest(captured_unix_ms, $2), captures = captures + 1, plan = $3,
            findings = $4, total_cost = $5
         where id = $1",
    )
    .bind(id)
    .bind(new.now_unix_ms)
    .bind(new.json)
    .bind(new.findings)
    .bind(new.total_cost)
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert(connection: &mut PgConnection, new: &NewPlan<'_>, change: Option<String>) -> sqlx::Result<()> {
    sqlx::query(
        "insert into plans (project, database, fingerprint, first_captured_unix_ms, captured_unix_ms, plan_shape, plan,
            findings, change, total_cost, shortened)
         values ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(new.key.project.as_str())
    .bind(storable(&new.key.database))
    .bind(new.key.fingerprint.get().cast_signed())
    .bind(new.now_unix_ms)
    .bind(new.shape)
    .bind(new.json)
    .bind(new.findings)
    .bind(change)
    .bind(new.total_cost)
    .bind(new.shortened)
    .execute(connection)
    .await?;
    Ok(())
}

/// Plans of a project, the latest first.
pub(crate) async fn list_plans(store: &Store, wanted: &PlansWanted<'_>) -> sqlx::Result<Vec<PlanRow>> {
    let mut connection = store.pool().acquire().await?;
    sqlx::query_as(
        "select * from plans
         where project = $1 and ($2 = '' or database = $2) and ($3::bigint is null or fingerprint = $3)
            and ($4::bigint is null or (captured_unix_ms, id) < ($4, $5))
         order by captured_unix_ms desc, id desc limit $6",
    )
    .bind(wanted.project)
    .bind(storable(wanted.database))
    .bind(wanted.fingerprint.map(|fingerprint| fingerprint.get().cast_signed()))
    .bind(wanted.after.map(|(captured, _)| captured))
    .bind(wanted.after.map(|(_, id)| id))
    .bind(i64::from(wanted.size))
    .fetch_all(&mut *connection)
    .await
}

/// Forgets plans that were last seen before that moment, and the oldest beyond `most`; some at a time.
pub(crate) async fn forget_plans(store: &Store, before_unix_ms: i64, most: i64) -> sqlx::Result<u64> {
    let mut connection = store.pool().acquire().await?;
    let too_many: i64 = sqlx::query("select count(*) as number from plans")
        .fetch_one(&mut *connection)
        .await?
        .try_get("number")?;
    let done = sqlx::query(
        "delete from plans where id in (
            (select id from plans where captured_unix_ms < $1 order by captured_unix_ms limit 1000)
            union all
            (select id from plans order by captured_unix_ms, id limit $2))",
    )
    .bind(before_unix_ms)
    .bind((too_many - most).clamp(0, 1_000))
    .execute(&mut *connection)
    .await?;
    Ok(done.rows_affected())
}
