//! Where notices go: what the engine asks of the channels.

use sqlx::PgConnection;

use super::Notice;

/// Takes notices on their way to people.
#[tonic::async_trait]
pub(crate) trait Outbound: Send + Sync {
    /// Writes them in the transaction of the change that they tell of; they are delivered after, and only if, it commits.
    async fn enqueue(&self, transaction: &mut PgConnection, notices: &[Notice]) -> sqlx::Result<()>;

    /// Delivers them at once, as far as that can be, because the store is away. Must not wait.
    fn direct(&self, notices: &[Notice]);
}

/// Nobody has named a channel: rows and events are all there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoChannels;

#[tonic::async_trait]
impl Outbound for NoChannels {
    async fn enqueue(&self, _: &mut PgConnection, _: &[Notice]) -> sqlx::Result<()> {
        Ok(())
    }

    fn direct(&self, notices: &[Notice]) {
        tracing::warn!(
            notices = notices.len(),
            "the store is away, and no channel is there to tell of alerts"
        );
    }
}
