//! Rows of one level put together into rows of the next.

use sqlx::PgConnection;

use super::lines::each_row;
use super::statistics::{Row, level_name, made_until, table, write_rows};
use crate::aggregate::{Gathered, Level};

/// Makes the next span of a level from the finer one, within a transaction, if all of that is there until
/// `complete_until_unix_ms`. Says until when the level is made then, and whether there may be more to do.
pub(crate) async fn make_next(
    transaction: &mut PgConnection,
    (finer, level): (Level, Level),
    complete_until_unix_ms: i64,
    shapes_max: usize,
) -> sqlx::Result<(i64, bool)> {
    let made = made_until(transaction, level, " for update").await?;
    let limit = level.floor(complete_until_unix_ms);
    let Some(next) = first_row(transaction, finer, (made, limit)).await? else {
        let reached = made.max(limit);
        set_made(transaction, level, reached).await?;
        return Ok((reached, false));
    };
    let span = (level.floor(next), level.floor(next) + level.width_ms());
    let mut gathered = Gathered::default();
    each_row(transaction, finer, span, |key, cell| gathered.add(key, cell)).await?;
    let lines = gathered.into_lines(shapes_max);
    let rows: Vec<Row<'_>> = lines
        .iter()
        .map(|(key, cell)| Row {
            span_unix_ms: span.0,
            key: key.clone(),
            cell,
        })
        .collect();
    write_rows(transaction, level, &rows).await?;
    set_made(transaction, level, span.1).await?;
    Ok((span.1, true))
}

async fn first_row(connection: &mut PgConnection, level: Level, (from, to): (i64, i64)) -> sqlx::Result<Option<i64>> {
    let statement = format!(
        "select min(span_unix_ms) from {} where span_unix_ms >= $1 and span_unix_ms < $2",
        table(level)
    );
    let query = sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).bind(from).bind(to);
    query.fetch_one(connection).await
}

async fn set_made(connection: &mut PgConnection, level: Level, until_unix_ms: i64) -> sqlx::Result<()> {
    let query = sqlx::query("update levels set made_until_unix_ms = $2 where level = $1 and made_until_unix_ms < $2");
    query
        .bind(level_name(level))
        .bind(until_unix_ms)
        .execute(connection)
        .await
        .map(|_| ())
}
