//! Rows of `firewall_shapes` and `firewall_modes`.

use sqlx::PgConnection;

/// How long a shape that was taken out stays, so that every gateway hears of it.
const FORGOTTEN_FOR: &str = "1 day";
/// A shape that waits for a person and was not seen for so long goes.
const WAITS_MS_MAX: i64 = 90 * 24 * 3_600 * 1_000;

/// One shape, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct ShapeRow {
    pub(crate) project: String,
    pub(crate) database: String,
    pub(crate) user_name: String,
    pub(crate) id: i64,
    pub(crate) fingerprint: i64,
    pub(crate) standing: i16,
    pub(crate) text: String,
    pub(crate) score: i32,
    pub(crate) rules: String,
    pub(crate) count: i64,
    pub(crate) first_seen_ms: i64,
    pub(crate) last_seen_ms: i64,
    pub(crate) approved_by: String,
    pub(crate) approved_ms: i64,
    pub(crate) approved_score: i32,
}

/// One mode, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct ModeRow {
    pub(crate) project: String,
    pub(crate) database: String,
    pub(crate) user_name: String,
    pub(crate) mode: String,
    pub(crate) set_by: String,
    pub(crate) set_ms: i64,
}

/// Rows to write, column by column. The counts are what is to be added.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    projects: Vec<String>,
    databases: Vec<String>,
    users: Vec<String>,
    ids: Vec<i64>,
    fingerprints: Vec<i64>,
    standings: Vec<i16>,
    texts: Vec<String>,
    scores: Vec<i32>,
    rules: Vec<String>,
    counts: Vec<i64>,
    first_seen: Vec<i64>,
    last_seen: Vec<i64>,
    approved_by: Vec<String>,
    approved_ms: Vec<i64>,
    approved_scores: Vec<i32>,
}

impl Writing {
    pub(crate) const fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(crate) fn push(&mut self, row: ShapeRow) {
        self.projects.push(row.project);
        self.databases.push(row.database);
        self.users.push(row.user_name);
        self.ids.push(row.id);
        self.fingerprints.push(row.fingerprint);
        self.standings.push(row.standing);
        self.texts.push(row.text);
        self.scores.push(row.score);
        self.rules.push(row.rules);
        self.counts.push(row.count);
        self.first_seen.push(row.first_seen_ms);
        self.last_seen.push(row.last_seen_ms);
        self.approved_by.push(row.approved_by);
        self.approved_ms.push(row.approved_ms);
        self.approved_scores.push(row.approved_score);
    }
}

/// Whether the tables are there, on a connection that sees the gateway's schema only.
pub(crate) async fn are_there(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("select to_regclass('firewall_modes') is not null")
        .fetch_one(connection)
        .await
}

/// Inserts rows; of one that is there, this is changed too.
macro_rules! insert_or {
    ($changes:literal) => {
        concat!(
            "insert into firewall_shapes as kept (
                 project, database, user_name, id, fingerprint, standing, text, score, rules, count, first_seen_ms,
                 last_seen_ms, approved_by, approved_ms, approved_score
             )
             select * from unnest(
                 $1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::smallint[], $7::text[],
                 $8::integer[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::bigint[],
                 $15::integer[]
             )
             on conflict (project, database, user_name, id) do update set
                 count = kept.count + excluded.count,
                 last_seen_ms = greatest(kept.last_seen_ms, excluded.last_seen_ms),
                 score = greatest(kept.score, excluded.score),
                 rules = case when excluded.score > kept.score then excluded.rules else kept.rules end,
                 changed_by = pg_current_xact_id(),
                 changed_at = now(),",
            $changes
        )
    };
}

/// What was seen stands unless somebody knows better.
const SIGHTED: &str = insert_or!(
    "standing = case
         when kept.standing = 0 or (kept.standing = 1 and excluded.standing = 2) then excluded.standing
         else kept.standing
     end"
);
/// What a person has decided stands.
const DECIDED: &str = insert_or!(
    "standing = excluded.standing, approved_by = excluded.approved_by, approved_ms = excluded.approved_ms,
     approved_score = excluded.approved_score"
);

/// Writes shapes that were seen for the first time, or learned.
pub(crate) async fn sight_shapes(connection: &mut PgConnection, rows: &Writing) -> sqlx::Result<()> {
    write(connection, SIGHTED, rows).await
}

/// Writes what a person decided of shapes.
pub(crate) async fn decide_shapes(connection: &mut PgConnection, rows: &Writing) -> sqlx::Result<()> {
    write(connection, DECIDED, rows).await
}

async fn write(connection: &mut PgConnection, sql: &'static str, rows: &Writing) -> sqlx::Result<()> {
    sqlx::query(sql)
        .bind(&rows.projects)
        .bind(&rows.databases)
        .bind(&rows.users)
        .bind(&rows.ids)
        .bind(&rows.fingerprints)
        .bind(&rows.standings)
        .bind(&rows.texts)
        .bind(&rows.scores)
        .bind(&rows.rules)
        .bind(&rows.counts)
        .bind(&rows.first_seen)
        .bind(&rows.last_seen)
        .bind(&rows.approved_by)
        .bind(&rows.approved_ms)
        .bind(&rows.approved_scores)
        .execute(connection)
        .await
        .map(drop)
}

/// Adds up how often shapes were seen. One that somebody took out stays out.
pub(crate) async fn count_shapes(connection: &mut PgConnection, rows: &Writing) -> sqlx::Result<()> {
    sqlx::query(
        "update firewall_shapes as kept set count = kept.count + seen.count,
             last_seen_ms = greatest(kept.last_seen_ms, seen.last_seen_ms),
             changed_by = pg_current_xact_id(), changed_at = now()
         from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
             as seen (project, database, user_name, id, count, last_seen_ms)
         where kept.project = seen.project and kept.database = seen.database and kept.user_name = seen.user_name
             and kept.id = seen.id and kept.standing <> 0",
    )
    .bind(&rows.projects)
    .bind(&rows.databases)
    .bind(&rows.users)
    .bind(&rows.ids)
    .bind(&rows.counts)
    .bind(&rows.last_seen)
    .execute(connection)
    .await
    .map(drop)
}

/// The oldest transaction that may still change something, as text. What is read behind it is read again next time.
pub(crate) async fn horizon(connection: &mut PgConnection) -> sqlx::Result<String> {
    sqlx::query_scalar("select pg_snapshot_xmin(pg_current_snapshot())::text")
        .fetch_one(connection)
        .await
}

/// The shapes that were changed by this transaction or a later one.
pub(crate) async fn shapes_since(connection: &mut PgConnection, since: &str) -> sqlx::Result<Vec<ShapeRow>> {
    sqlx::query_as(
        "select project, database, user_name, id, fingerprint, standing, text, score, rules, count, first_seen_ms,
                last_seen_ms, approved_by, approved_ms, approved_score
         from firewall_shapes where changed_by >= $1::text::xid8",
    )
    .bind(since)
    .fetch_all(connection)
    .await
}

/// Every mode that was set.
pub(crate) async fn modes(connection: &mut PgConnection) -> sqlx::Result<Vec<ModeRow>> {
    sqlx::query_as("select project, database, user_name, mode, set_by, set_ms from firewall_modes")
        .fetch_all(connection)
        .await
}

/// Writes a mode.
pub(crate) async fn put_mode(connection: &mut PgConnection, row: &ModeRow) -> sqlx::Result<()> {
    sqlx::query(
        "insert into firewall_modes values ($1, $2, $3, $4, $5, $6)
         on conflict (project, database, user_name) do update
             set mode = excluded.mode, set_by = excluded.set_by, set_ms = excluded.set_ms",
    )
    .bind(&row.project)
    .bind(&row.database)
    .bind(&row.user_name)
    .bind(&row.mode)
    .bind(&row.set_by)
    .bind(row.set_ms)
    .execute(connection)
    .await
    .map(drop)
}

/// Takes a mode back.
pub(crate) async fn take_mode(
    connection: &mut PgConnection,
    project: &str,
    database: &str,
    user: &str,
) -> sqlx::Result<()> {
    sqlx::query("delete from firewall_modes where project = $1 and database = $2 and user_name = $3")
        .bind(project)
        .bind(database)
        .bind(user)
        .execute(connection)
        .await
        .map(drop)
}

/// Deletes shapes that were taken out long ago, and those that wait in vain.
pub(crate) async fn forget_old(connection: &mut PgConnection, now_ms: i64) -> sqlx::Result<()> {
    sqlx::query(
        "delete from firewall_shapes
         where (standing = 0 and changed_at < now() - $1::text::interval) or (standing = 1 and last_seen_ms < $2)",
    )
    .bind(FORGOTTEN_FOR)
    .bind(now_ms.saturating_sub(WAITS_MS_MAX))
    .execute(connection)
    .await
    .map(drop)
}
