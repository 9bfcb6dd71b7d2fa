//! Latencies of shapes over time, for whoever searches them for changes.

use sqlx::PgConnection;
use weir_store::StoreError;

use super::Keeper;
use crate::aggregate::{Cell, Level, Part};
use crate::observe::trends::{Shape, ShapePoint, Shapes};
use crate::store;

/// How far back the heaviest shapes are looked for.
const LATELY_MS: i64 = 3_600_000;

impl Shapes for Keeper {
    async fn heaviest(&self, count: usize) -> Result<Vec<Shape>, StoreError> {
        let now = self.clock.unix_ms();
        let mut connection = self.connection().await?;
        let found = store::heaviest(&mut connection, now - LATELY_MS, count).await;
        let keys = found.map_err(|error| self.store.error(error))?;
        let shape = |key: crate::aggregate::Key| Shape {
            project: key.project,
            database: key.database,
            fingerprint: key.fingerprint,
        };
        Ok(keys.into_iter().map(shape).collect())
    }

    async fn latencies(
        &self,
        shape: &Shape,
        from_unix_ms: i64,
        to_unix_ms: i64,
    ) -> Result<Vec<ShapePoint>, StoreError> {
        let mut connection = self.connection().await?;
        let part = Part {
            level: Level::Minutes,
            from_unix_ms: Level::Minutes.floor(from_unix_ms),
            to_unix_ms,
        };
        let line = (shape.database.as_str(), shape.fingerprint);
        let spans = store::read_spans(&mut connection, &shape.project, part, line).await;
        Ok(spans
            .map_err(|error| self.store.error(error))?
            .iter()
            .map(point)
            .collect())
    }
}

impl Keeper {
    async fn connection(&self) -> Result<impl std::ops::DerefMut<Target = PgConnection>, StoreError> {
        self.store
            .pool()
            .acquire()
            .await
            .map_err(|error| self.store.error(error))
    }
}

/// The median: what one slow call in a minute does not move.
fn point((at_unix_ms, cell): &(i64, Cell)) -> ShapePoint {
    ShapePoint {
        at_unix_ms: *at_unix_ms,
        calls: cell.sums.calls,
        ms: cell.latency.total.quantile_us(0.5) / 1e3,
    }
}
