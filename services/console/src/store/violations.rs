//! Rows of `violations`: rules that were broken. What several consoles hear is written once.

use sqlx::PgPool;
use sqlx::types::Json;

use crate::violations::Violation;

/// A broken rule as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema, sqlx::FromRow)]
#[schema(as = console::Violation)]
pub struct Row {
    /// Identifies it; what was written later has a greater number.
    pub id: i64,
    /// The event that told of it, as the live stream names it.
    pub event_id: String,
    /// When it happened.
    pub at_unix_ms: i64,
    /// Whose statement or login it was.
    pub project: String,
    /// The rule, such as `stacked-statements`.
    pub rule: String,
    /// `blocked`: it was refused; `reported`: it was told and let through.
    pub action: String,
    /// How bad it would be if it were meant badly: `info`, `warning` or `critical`.
    pub severity: String,
    /// The PostgreSQL server.
    pub upstream: String,
    /// The database.
    pub database: String,
    /// The role.
    #[sqlx(rename = "username")]
    pub user: String,
    /// The calling program, as it named itself; may be empty.
    pub application: String,
    /// Where from.
    pub client: String,
    /// By which door it came: `wire` or `grpc`.
    pub door: String,
    /// The shape of the statement: 16 hexadecimal digits; empty: it was not about one.
    pub fingerprint: String,
    /// What happened, without any value of the statement.
    pub summary: String,
    /// The caller's trace (W3C); may be empty.
    pub traceparent: String,
    /// How often it happened since it was last told.
    pub count: i64,
    /// How suspicious the statement looked: 30 is suspicious, 50 dangerous; 0: it was not judged by its looks.
    pub score: i32,
    /// Every rule that the statement broke, the gravest first; empty: only `rule`.
    pub rules: Vec<String>,
}

/// Which are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Whose. None: everybody's.
    pub project: Option<String>,
    /// Of this rule.
    pub rule: Option<String>,
    /// About which this was done.
    pub action: Option<String>,
    /// Of this role.
    pub user: Option<String>,
    /// On this database.
    pub database: Option<String>,
    /// From this address.
    pub client: Option<String>,
    /// About this shape of statement.
    pub fingerprint: Option<String>,
    /// What the rule, the summary, the role, the database, the program or the address names.
    pub search: Option<String>,
    /// From when on.
    pub since_unix_ms: i64,
    /// Up to when. 0: now.
    pub until_unix_ms: i64,
    /// Most of them.
    pub limit: i64,
}

/// How often a rule was broken.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema, sqlx::FromRow)]
#[schema(as = console::ViolationsOfRule)]
pub(crate) struct OfRule {
    /// The rule.
    pub(crate) rule: String,
    /// What was done about it: `blocked` or `reported`.
    pub(crate) action: String,
    /// How often.
    pub(crate) count: i64,
    /// The last time.
    pub(crate) last_unix_ms: i64,
}

/// How often somebody broke rules.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema, sqlx::FromRow)]
#[schema(as = console::ViolationsOfClient)]
pub(crate) struct OfClient {
    /// Where from.
    pub(crate) client: String,
    /// How often.
    pub(crate) count: i64,
    /// How often of these it was refused.
    pub(crate) blocked: i64,
    /// Which rules.
    pub(crate) rules: Vec<String>,
    /// The last time.
    pub(crate) last_unix_ms: i64,
}

/// Writes what was told, and says how much of it was new.
pub(crate) async fn keep(pool: &PgPool, told: &[Violation]) -> sqlx::Result<u64> {
    let mut transaction = pool.begin().await?;
    // One writer at a time, so that whoever has read up to an id has missed none below it.
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('weir_console.violations', 0))")
        .execute(&mut *transaction)
        .await?;
    let kept = sqlx::query(
        "insert into violations (event_id, at_unix_ms, project, rule, action, severity, upstream, database, username,
            application, client, door, fingerprint, summary, traceparent, count, score, rules)
         select event_id, at_unix_ms, project, rule, action, severity, upstream, database, username,
            application, client, door, fingerprint, summary, traceparent, count, score, rules
         from jsonb_to_recordset($1) as told (event_id text, at_unix_ms bigint, project text, rule text, action text,
            severity text, upstream text, database text, username text, application text, client text, door text,
            fingerprint text, summary text, traceparent text, count bigint, score int, rules text[])
         on conflict (event_id) do nothing",
    )
    .bind(Json(told))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(kept.rows_affected())
}

macro_rules! wanted {
    ($rest:literal) => {
        concat!(
            "select * from violations
             where ($1::text is null or project = $1) and ($2::text is null or rule = $2)
               and ($3::text is null or action = $3) and ($4::text is null or username = $4)
               and ($5::text is null or database = $5) and ($6::text is null or client = $6)
               and ($7::text is null or fingerprint = $7)
               and ($8::text is null or position(lower($8) in lower(concat_ws(' ', rule, summary, username, database, application, client))) > 0)
               and at_unix_ms >= $9 and ($10 = 0 or at_unix_ms < $10) ",
            $rest
        )
    };
}

macro_rules! asked {
    ($sql:expr, $wanted:expr) => {
        sqlx::query_as($sql)
            .bind(&$wanted.project)
            .bind(&$wanted.rule)
            .bind(&$wanted.action)
            .bind(&$wanted.user)
            .bind(&$wanted.database)
            .bind(&$wanted.client)
            .bind(&$wanted.fingerprint)
            .bind(&$wanted.search)
            .bind($wanted.since_unix_ms)
            .bind($wanted.until_unix_ms)
            .bind($wanted.limit)
    };
}

/// Those that are wanted, the latest first; after a page's last one.
pub(crate) async fn list(pool: &PgPool, wanted: &Wanted, before: Option<(i64, i64)>) -> sqlx::Result<Vec<Row>> {
    let (at, id) = before.unzip();
    let sql = wanted!(
        "and ($12::bigint is null or (at_unix_ms, id) < ($12, $13)) order by at_unix_ms desc, id desc limit $11"
    );
    asked!(sql, wanted).bind(at).bind(id).fetch_all(pool).await
}

/// Those that are wanted and were written after one, in the order in which they were written.
pub(crate) async fn after(pool: &PgPool, wanted: &Wanted, id: i64) -> sqlx::Result<Vec<Row>> {
    let sql = wanted!("and id > $12 order by id limit $11");
    asked!(sql, wanted).bind(id).fetch_all(pool).await
}

/// The last one that was written. 0: none was.
pub(crate) async fn last_id(pool: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar("select coalesce(max(id), 0) from violations")
        .fetch_one(pool)
        .await
}

/// How often each rule of a project was broken since a moment, the most often first.
pub(crate) async fn by_rule(pool: &PgPool, project: &str, since_unix_ms: i64) -> sqlx::Result<Vec<OfRule>> {
    sqlx::query_as(
        "select rule, action, sum(count)::bigint as count, max(at_unix_ms) as last_unix_ms from violations
         where project = $1 and at_unix_ms >= $2 group by rule, action order by count desc, rule, action limit 200",
    )
    .bind(project)
    .bind(since_unix_ms)
    .fetch_all(pool)
    .await
}

/// Who broke rules of a project most often since a moment.
pub(crate) async fn by_client(
    pool: &PgPool,
    project: &str,
    since_unix_ms: i64,
    most: i64,
) -> sqlx::Result<Vec<OfClient>> {
    sqlx::query_as(
        "select client, sum(count)::bigint as count, coalesce(sum(count) filter (where action = 'blocked'), 0)::bigint as blocked,
            (array_agg(distinct rule))[1:20] as rules, max(at_unix_ms) as last_unix_ms
         from violations where project = $1 and at_unix_ms >= $2 and client <> ''
         group by client order by count desc, client limit $3",
    )
    .bind(project)
    .bind(since_unix_ms)
    .bind(most)
    .fetch_all(pool)
    .await
}

/// Forgets what is older, and of each project what is more.
pub(crate) async fn forget(pool: &PgPool, before_unix_ms: i64, most: i64) -> sqlx::Result<u64> {
    let old = sqlx::query("delete from violations where at_unix_ms < $1")
        .bind(before_unix_ms)
        .execute(pool)
        .await?;
    let more = sqlx::query(
        "with last as (
            select project, (select id from violations kept where kept.project = named.project order by id desc offset $1 limit 1) as id
            from (select distinct project from violations) named
         )
         delete from violations using last where violations.project = last.project and violations.id <= last.id",
    )
    .bind(most)
    .execute(pool)
    .await?;
    Ok(old.rows_affected() + more.rows_affected())
}
