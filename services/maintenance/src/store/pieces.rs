//! Rows of `pieces`: what was done to relations, what was expected of it and what came of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;
use weir_store::{Store, StoreError};

use crate::plan::{Candidate, Ended, Kind, Piece, PieceOutcome, Subject, TableName};

/// How far back earlier work teaches anything.
const TEACHES_DAYS: i32 = 35;
/// So many of the latest pieces of a database are enough to learn from.
const LEARN_FROM: i64 = 5_000;
/// So many of the latest pieces of a database say how hard to work.
const PACE_FROM: i64 = 100;
/// How long records are kept.
const KEPT_DAYS: i32 = 365;

/// A piece of work that begins.
#[derive(Debug)]
pub(crate) struct NewPiece<'a> {
    pub(crate) job_id: Uuid,
    pub(crate) project: &'a str,
    pub(crate) database: &'a str,
    pub(crate) candidate: &'a Candidate,
    pub(crate) p95_before_ms: Option<f64>,
    pub(crate) window_ends: Option<SystemTime>,
}

/// What came of a piece.
#[derive(Debug, Clone, Default)]
pub(crate) struct After {
    /// `done`, `left`, `halted` or `failed`.
    pub(crate) outcome: &'static str,
    pub(crate) reason: String,
    /// Bytes of the relation before and after, where both were measured.
    pub(crate) bytes: Option<(u64, u64)>,
    pub(crate) p95_during_ms: Option<f64>,
    /// It was halted because users suffered.
    pub(crate) for_users: bool,
    pub(crate) effect: Json,
}

/// One piece as it is stored.
#[derive(Debug, Clone, Default, sqlx::FromRow)]
pub(crate) struct PieceRow {
    pub(crate) id: Uuid,
    pub(crate) job_id: Uuid,
    pub(crate) kind: String,
    pub(crate) database: String,
    pub(crate) relation: String,
    pub(crate) index_name: String,
    pub(crate) reclaim_low: i64,
    pub(crate) reclaim_likely: i64,
    pub(crate) reclaim_high: i64,
    pub(crate) cost_bytes: i64,
    pub(crate) predicted_ms: i64,
    pub(crate) bytes_before: Option<i64>,
    pub(crate) bytes_after: Option<i64>,
    pub(crate) p95_before_ms: Option<f64>,
    pub(crate) p95_during_ms: Option<f64>,
    pub(crate) started_unix_ms: i64,
    pub(crate) ended_unix_ms: Option<i64>,
    pub(crate) outcome: String,
    pub(crate) reason: String,
}

/// How well one kind of work was foretold.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Calibration {
    pub(crate) kind: String,
    /// Pieces that were done and whose gain could be measured.
    pub(crate) pieces: i64,
    /// Of these, those that gave back what they were expected to, within the bounds.
    pub(crate) within: i64,
    /// Bytes that were expected back, most probably.
    pub(crate) expected_bytes: i64,
    /// Bytes that came back.
    pub(crate) reclaimed_bytes: i64,
    /// What they took, as a share of what they were expected to take at most; the middle one of all.
    pub(crate) time_ratio: Option<f64>,
}

/// The table of pieces. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pieces(Store);

impl Pieces {
    pub(crate) const fn new(store: Store) -> Self {
        Self(store)
    }

    /// Writes down that a piece begins.
    pub(crate) async fn begin(&self, new: &NewPiece<'_>) -> Result<Uuid, StoreError> {
        let (id, expected) = (Uuid::now_v7(), new.candidate.expected);
        sqlx::query(
            "insert into pieces (id, job_id, project, kind, database, relation, index_name, reclaim_low, reclaim_likely,
                reclaim_high, cost_bytes, predicted_ms, p95_before_ms, window_ends, started_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                to_timestamp($14 / 1000.0), clock_timestamp())",
        )
        .bind(id)
        .bind(new.job_id)
        .bind(new.project)
        .bind(new.candidate.kind.as_str())
        .bind(new.database)
        .bind(new.candidate.subject.table.to_string())
        .bind(new.candidate.subject.index.as_deref().unwrap_or_default())
        .bind(signed(expected.reclaim_low))
        .bind(signed(expected.reclaim_likely))
        .bind(signed(expected.reclaim_high))
        .bind(signed(expected.cost_bytes))
        .bind(i64::try_from(expected.takes.as_millis()).unwrap_or(i64::MAX))
        .bind(new.p95_before_ms)
        .bind(new.window_ends.map(unix_ms))
        .execute(self.0.pool())
        .await
        .map_err(|error| self.0.error(error))?;
        Ok(id)
    }

    /// Writes down what came of it.
    pub(crate) async fn end(&self, id: Uuid, after: &After) -> Result<(), StoreError> {
        sqlx::query(
            "update pieces set outcome = $2, reason = $3, bytes_before = $4, bytes_after = $5, p95_during_ms = $6,
                effect = $7, for_users = $8,
                ended_at = clock_timestamp()
             where id = $1 and outcome = 'running'",
        )
        .bind(id)
        .bind(after.outcome)
        .bind(&after.reason)
        .bind(after.bytes.map(|(before, _)| signed(before)))
        .bind(after.bytes.map(|(_, now)| signed(now)))
        .bind(after.p95_during_ms)
        .bind(&after.effect)
        .bind(after.for_users)
        .execute(self.0.pool())
        .await
        .map_err(|error| self.0.error(error))?;
        Ok(())
    }

    /// Writes down that pieces which nobody works on any more came to nothing, and forgets very old ones. Whoever has
    /// the turn calls it: statistics alone are renewed without a turn.
    pub(crate) async fn settle(&self) -> Result<(), StoreError> {
        let settled = sqlx::query(
            "update pieces set outcome = 'failed', reason = 'whoever worked on it died', ended_at = clock_timestamp()
             where outcome = 'running' and (kind <> 'analyze' or started_at < now() - interval '1 day')",
        );
        let forgotten = sqlx::query("delete from pieces where started_at < now() - make_interval(days => $1)");
        for query in [settled, forgotten.bind(KEPT_DAYS)] {
            query
                .execute(self.0.pool())
                .await
                .map_err(|error| self.0.error(error))?;
        }
        Ok(())
    }

    /// What was done in a database, the oldest first.
    pub(crate) async fn learned(&self, database: &str) -> Result<Vec<Piece>, StoreError> {
        let rows = sqlx::query(
            "select kind, relation, index_name, outcome, cost_bytes,
                extract(epoch from ended_at - started_at)::float8 as took, extract(epoch from now() - ended_at)::float8 as since
             from pieces where database = $1 and ended_at > now() - make_interval(days => $2) and outcome in ('done', 'halted')
             order by started_at desc, id desc limit $3",
        )
        .bind(database)
        .bind(TEACHES_DAYS)
        .bind(LEARN_FROM)
        .fetch_all(self.0.pool())
        .await
        .map_err(|error| self.0.error(error))?;
        let pieces: Result<Vec<Option<Piece>>, sqlx::Error> = rows.iter().rev().map(piece).collect();
        let pieces = pieces.map_err(|error| self.0.error(error))?;
        Ok(pieces.into_iter().flatten().collect())
    }

    /// How the last pieces of work on a database ended, as far as users go.
    pub(crate) async fn outcomes(&self, database: &str) -> Result<Vec<PieceOutcome>, StoreError> {
        let rows = sqlx::query(
            "select outcome, for_users, (extract(epoch from ended_at) * 1000)::bigint as ended_unix_ms,
                (extract(epoch from window_ends) * 1000)::bigint as window_unix_ms
             from pieces where database = $1 and ended_at is not null and kind in ('vacuum', 'freeze', 'reindex', 'reorganize')
             order by ended_at desc limit $2",
        )
        .bind(database)
        .bind(PACE_FROM)
        .fetch_all(self.0.pool())
        .await
        .map_err(|error| self.0.error(error))?;
        let outcomes: Result<Vec<PieceOutcome>, sqlx::Error> = rows.iter().map(outcome).collect();
        outcomes.map_err(|error| self.0.error(error))
    }

    /// Pieces of a project, the latest first.
    pub(crate) async fn list(
        &self,
        project: &str,
        job_id: Option<Uuid>,
        before: Option<(i64, Uuid)>,
        size: u32,
    ) -> Result<Vec<PieceRow>, StoreError> {
        sqlx::query_as(
            "select *, (extract(epoch from started_at) * 1000)::bigint as started_unix_ms,
                (extract(epoch from ended_at) * 1000)::bigint as ended_unix_ms
             from pieces where project = $1 and ($2::uuid is null or job_id = $2)
                and ($3::bigint is null or ((extract(epoch from started_at) * 1000)::bigint, id) < ($3, $4))
             order by (extract(epoch from started_at) * 1000)::bigint desc, id desc limit $5",
        )
        .bind(project)
        .bind(job_id)
        .bind(before.map(|(moment, _)| moment))
        .bind(before.map(|(_, id)| id))
        .bind(i64::from(size))
        .fetch_all(self.0.pool())
        .await
        .map_err(|error| self.0.error(error))
    }

    /// A piece of a project.
    pub(crate) async fn get(&self, project: &str, id: Uuid) -> Result<Option<PieceRow>, StoreError> {
        sqlx::query_as(
            "select *, (extract(epoch from started_at) * 1000)::bigint as started_unix_ms,
                (extract(epoch from ended_at) * 1000)::bigint as ended_unix_ms
             from pieces where project = $1 and id = $2",
        )
        .bind(project)
        .bind(id)
        .fetch_optional(self.0.pool())
        .await
        .map_err(|error| self.0.error(error))
    }

    /// How well the work of a project was foretold, kind by kind.
    pub(crate) async fn calibration(&self, project: &str) -> Result<Vec<Calibration>, StoreError> {
        sqlx::query_as(
            "select kind, count(*) filter (where measured) as pieces,
                count(*) filter (where measured and gain between reclaim_low and reclaim_high) as within,
                coalesce(sum(reclaim_likely) filter (where measured), 0)::bigint as expected_bytes,
                coalesce(sum(gain) filter (where measured), 0)::bigint as reclaimed_bytes,
                percentile_cont(0.5) within group (order by took_ms / greatest(predicted_ms, 1)) as time_ratio
             from (select *, bytes_before - bytes_after as gain,
                    (kind in ('reindex', 'reorganize') and reclaim_high > 0 and bytes_before is not null
                        and bytes_after is not null) as measured,
                    extract(epoch from ended_at - started_at)::float8 * 1000 as took_ms
                 from pieces where project = $1 and outcome = 'done') done
             group by kind order by kind",
        )
        .bind(project)
        .fetch_all(self.0.pool())
        .await
        .map_err(|error| self.0.error(error))
    }
}

/// A piece as far as it teaches something; none where it is of a kind that is not known any more.
fn piece(row: &PgRow) -> Result<Option<Piece>, sqlx::Error> {
    let word: String = row.try_get("kind")?;
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == word) else {
        return Ok(None);
    };
    let relation: String = row.try_get("relation")?;
    let index: String = row.try_get("index_name")?;
    let seconds = |column| {
        let seconds: f64 = row.try_get(column)?;
        Ok::<_, sqlx::Error>(Duration::from_secs_f64(seconds.max(0.0)))
    };
    let cost: i64 = row.try_get("cost_bytes")?;
    let outcome: String = row.try_get("outcome")?;
    let Some((schema, name)) = relation.split_once('.') else {
        return Ok(None);
    };
    Ok(Some(Piece {
        kind,
        subject: Subject {
            table: TableName {
                schema: schema.to_owned(),
                name: name.to_owned(),
            },
            index: (!index.is_empty()).then_some(index),
        },
        since: seconds("since")?,
        is_done: outcome == "done",
        cost_bytes: u64::try_from(cost).unwrap_or_default(),
        took: seconds("took")?,
    }))
}

fn outcome(row: &PgRow) -> Result<PieceOutcome, sqlx::Error> {
    let (word, for_users): (String, bool) = (row.try_get("outcome")?, row.try_get("for_users")?);
    let moment = |unix_ms: i64| UNIX_EPOCH + Duration::from_millis(u64::try_from(unix_ms).unwrap_or_default());
    let window: Option<i64> = row.try_get("window_unix_ms")?;
    Ok(PieceOutcome {
        at: moment(row.try_get("ended_unix_ms")?),
        ended: match word.as_str() {
            _ if for_users => Ended::ForUsers,
            "done" => Ended::Clean,
            _ => Ended::Otherwise,
        },
        window_ends: window.map(moment),
    })
}

fn unix_ms(moment: SystemTime) -> i64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
