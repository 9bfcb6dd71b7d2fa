//! Where notices go: what the engine asks of the channels.

use sqlx::PgConnection;

use super::Notice;
use super::deliver::Deliverer;
use crate::store::enqueue_notice;

/// Takes notices on their way to people.
#[tonic::async_trait]
pub(crate) trait Outbound: Send + Sync {
    /// Writes them in the transaction of the change that they tell of; they are delivered after, and only if, it commits.
    async fn enqueue(&self, transaction: &mut PgConnection, notices: &[Notice]) -> sqlx::Result<()>;

    /// Delivers them at once, as far as that can be, because the store is away. Must not wait.
    fn direct(&self, notices: &[Notice]);
}

#[tonic::async_trait]
impl Outbound for Deliverer {
    async fn enqueue(&self, transaction: &mut PgConnection, notices: &[Notice]) -> sqlx::Result<()> {
        for notice in notices {
            enqueue_notice(transaction, notice).await?;
        }
        Ok(())
    }

    fn direct(&self, notices: &[Notice]) {
        Self::direct(self, notices.to_vec());
    }
}
