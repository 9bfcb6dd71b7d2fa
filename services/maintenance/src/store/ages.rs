//! Rows of `id_readings`: one a minute, fewer the older they are, none older than 35 days.

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use weir_store::{Store, StoreError};

use crate::plan::rate::Reading;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
const FINE_MS: i64 = 2 * DAY_MS;
const COARSE_MS: i64 = 5 * MINUTE_MS;
const KEPT_MS: i64 = 35 * DAY_MS;

/// Keeps a reading, unless another instance kept one of the same minute.
pub(crate) async fn keep(store: &Store, cluster: &str, reading: &Reading) -> Result<(), StoreError> {
    let number = |id: u64| i64::try_from(id).unwrap_or(i64::MAX);
    let done = sqlx::query(
        "insert into id_readings (cluster, at_unix_ms, next_xid, next_mxid, horizon_xid)
         select $1, $2, $3, $4, $5 where not exists (select from id_readings
            where cluster = $1 and at_unix_ms >= $2 / 60000 * 60000 and at_unix_ms < ($2 / 60000 + 1) * 60000)
         on conflict do nothing",
    )
    .bind(cluster)
    .bind(reading.at_ms)
    .bind(number(reading.xid))
    .bind(i64::from(reading.mxid))
    .bind(reading.horizon.map(number))
    .execute(store.pool())
    .await;
    done.map(|_| ()).map_err(|error| store.error(error))
}

/// What was kept of a cluster, the oldest first.
pub(crate) async fn load(store: &Store, cluster: &str, now_ms: i64) -> Result<Vec<Reading>, StoreError> {
    let rows = sqlx::query(
        "select at_unix_ms, next_xid, next_mxid, horizon_xid from id_readings
         where cluster = $1 and at_unix_ms between $2 and $3 order by at_unix_ms",
    )
    .bind(cluster)
    .bind(now_ms - KEPT_MS)
    .bind(now_ms)
    .fetch_all(store.pool())
    .await;
    let readings = rows.and_then(|rows| rows.iter().map(reading).collect());
    readings.map_err(|error| store.error(error))
}

fn reading(row: &PgRow) -> sqlx::Result<Reading> {
    let number = |id: i64| u64::try_from(id).unwrap_or_default();
    let mxid: i64 = row.try_get("next_mxid")?;
    let horizon: Option<i64> = row.try_get("horizon_xid")?;
    Ok(Reading {
        at_ms: row.try_get("at_unix_ms")?,
        xid: number(row.try_get("next_xid")?),
        mxid: u32::try_from(mxid).unwrap_or_default(),
        horizon: horizon.map(number),
    })
}

/// Forgets what is too old, and of what is two days old all but the first of each five minutes. How many rows went.
pub(crate) async fn forget(store: &Store, now_ms: i64) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "delete from id_readings a where a.at_unix_ms < $1 or (a.at_unix_ms < $2 and exists (
            select from id_readings b where b.cluster = a.cluster and b.at_unix_ms < a.at_unix_ms
                and b.at_unix_ms >= a.at_unix_ms / $3 * $3))",
    )
    .bind(now_ms - KEPT_MS)
    .bind(now_ms - FINE_MS)
    .bind(COARSE_MS)
    .execute(store.pool())
    .await;
    done.map(|done| done.rows_affected())
        .map_err(|error| store.error(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_job::store;

    const NOW: i64 = 1_800_000_000_000 / DAY_MS * DAY_MS;

    fn reading(at_ms: i64) -> Reading {
        Reading {
            at_ms,
            xid: 1 << 40,
            mxid: u32::MAX,
            horizon: None,
        }
    }

    #[tokio::test]
    async fn one_reading_a_minute_comes_back_as_it_was() {
        let store = store().await;
        let held = Reading {
            horizon: Some(5),
            ..reading(NOW + MINUTE_MS)
        };
        for (cluster, reading) in [
            ("a", reading(NOW)),
            ("a", reading(NOW)),
            ("a", reading(NOW + MINUTE_MS - 1)),
            ("a", held),
            ("b", reading(NOW + 1)),
        ] {
            keep(&store, cluster, &reading).await.unwrap();
        }
        let known = load(&store, "a", NOW + 2 * MINUTE_MS).await.unwrap();
        assert_eq!(known, [reading(NOW), held]);
        assert_eq!(load(&store, "b", NOW + MINUTE_MS).await.unwrap().len(), 1);
        // What lies in the future was written by a clock that was set back since.
        assert_eq!(load(&store, "a", NOW).await.unwrap(), [reading(NOW)]);
    }

    #[tokio::test]
    async fn readings_grow_fewer_and_go_after_35_days() {
        let store = store().await;
        let rows = "insert into id_readings (cluster, at_unix_ms, next_xid, next_mxid)
            select 'a', $1 - minute::bigint * 60000, 1, 1 from generate_series(0, 37 * 1440) minute";
        sqlx::query(rows).bind(NOW).execute(store.pool()).await.unwrap();
        forget(&store, NOW).await.unwrap();
        let known = load(&store, "a", NOW).await.unwrap();
        let fine = known.iter().filter(|reading| reading.at_ms >= NOW - FINE_MS).count();
        assert_eq!((fine, known.len()), (2 * 1_440 + 1, 2 * 1_440 + 1 + 33 * 288));
        assert_eq!(known.first().map(|first| first.at_ms), Some(NOW - KEPT_MS));
        assert_eq!(forget(&store, NOW).await.unwrap(), 0);
    }
}
