//! Partitions of the statistics: made when rows come for them, dropped when nobody wants them any more.

use sqlx::PgConnection;

use super::statistics::table;
use crate::aggregate::Level;

/// How long one partition of a level is, in milliseconds.
const fn length_ms(level: Level) -> i64 {
    match level {
        Level::Seconds => 3_600_000,
        Level::Minutes => 86_400_000,
        Level::Hours => 30 * 86_400_000,
        Level::Days => 360 * 86_400_000,
    }
}

/// Makes the partition that a span belongs to, unless it is there.
///
/// It is made by itself and attached, which lets others read and write the table in the meantime. Of several monitors
/// one makes it, the others wait for that one's transaction.
pub(super) async fn make(connection: &mut PgConnection, level: Level, span_unix_ms: i64) -> sqlx::Result<()> {
    let number = span_unix_ms.div_euclid(length_ms(level));
    let name = format!("{}_{number}", table(level));
    let there = |name: String| sqlx::query_scalar::<_, bool>("select to_regclass($1) is not null").bind(name);
    if there(name.clone()).fetch_one(&mut *connection).await? {
        return Ok(());
    }
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("weir partitions {}", table(level)))
        .execute(&mut *connection)
        .await?;
    if there(name.clone()).fetch_one(&mut *connection).await? {
        return Ok(());
    }
    let (from, to) = (number * length_ms(level), (number + 1) * length_ms(level));
    let parent = table(level);
    let statements = format!(
        "create table {name} (like {parent} including indexes);
         alter table {parent} attach partition {name} for values from ({from}) to ({to})"
    );
    // Names and numbers are made here; nothing of the text comes from outside.
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements))
        .execute(connection)
        .await
        .map(|_| ())
}

/// Drops the partitions of a level that hold nothing after a moment; says how many.
pub(crate) async fn drop_before(connection: &mut PgConnection, level: Level, unix_ms: i64) -> sqlx::Result<usize> {
    let names: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where i.inhparent = to_regclass($1)",
    )
    .bind(table(level))
    .fetch_all(&mut *connection)
    .await?;
    let first_kept = unix_ms.div_euclid(length_ms(level));
    let number = |name: &String| name.rsplit('_').next().and_then(|number| number.parse::<i64>().ok());
    let old: Vec<String> = names
        .into_iter()
        .filter(|name| number(name).is_some_and(|number| number < first_kept))
        .collect();
    for name in &old {
        // Whoever reads the table has it for a moment only; a reader that takes longer is not waited for.
        let statements = format!("set local lock_timeout = '1s'; drop table if exists {name}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements))
            .execute(&mut *connection)
            .await?;
    }
    Ok(old.len())
}
