//! What became of changes: read from the server, for those that were cut off and those that somebody changed again.

use weir_upstream::Connection;

use super::place::{self, Place};
use super::{Adviser, server};
use crate::advise::{State, settle};
use crate::error::Error;
use crate::observe::advice as observe;
use crate::store::advice as rows;
use crate::store::advice::ChangeRow;

impl Adviser {
    /// Settles on a session of its own.
    pub(super) async fn settle_now(&self) -> Result<(), Error> {
        // Without a change there is nothing to ask the server.
        if self.stored(rows::live(self.store.pool()).await)?.is_empty() {
            return Ok(());
        }
        let mut session = self.open().await?;
        let settled = self.settle_if_free(session.connection()).await;
        session.close().await;
        settled
    }

    /// Leaves everything as it is while somebody changes something: he will say himself what becomes of it.
    pub(super) async fn settle_if_free(&self, connection: &mut Connection) -> Result<(), Error> {
        if place::try_lock(connection).await? {
            self.settle(connection).await?;
            place::unlock(connection).await?;
        }
        Ok(())
    }

    /// To be called under the lock.
    pub(super) async fn settle(&self, connection: &mut Connection) -> Result<(), Error> {
        let live = self.stored(rows::live(self.store.pool()).await)?;
        for row in live {
            let here = row.database.is_empty() || row.database == self.target.database();
            if here && self.can_see(&row, connection).await? {
                self.settle_one(row, connection).await?;
            }
        }
        Ok(())
    }

    /// The server's file cannot be read by everybody, and by nobody while a line of it is broken.
    async fn can_see(&self, row: &ChangeRow, connection: &mut Connection) -> Result<bool, Error> {
        if !row.database.is_empty() {
            return Ok(true);
        }
        let may = observe::rights(connection, &row.option).await?.read_file;
        Ok(may && observe::file_errors(connection, "name is null").await?.is_empty())
    }

    async fn settle_one(&self, row: ChangeRow, connection: &mut Connection) -> Result<(), Error> {
        let Some(state) = State::read(&row.state) else {
            return Ok(());
        };
        let place = Place::of_row(&row);
        let cut_off = matches!(state, State::Applying | State::Reverting);
        if cut_off && place.table.is_none() {
            // Whoever was cut off may have written the file and not had it read.
            server::reload_anyway(connection).await?;
        }
        let seen = place.seen(connection).await?;
        let now = settle(state, row.old_value.as_deref(), row.new_value.as_deref(), &seen);
        if now == state {
            return Ok(());
        }
        let note = match now {
            State::Failed => "it was cut off before the server was asked".to_owned(),
            State::Superseded if !seen.is_there => "what it was about is gone".to_owned(),
            State::Superseded => {
                format!(
                    "somebody changed it since: it is {} now",
                    seen.entry.as_deref().unwrap_or("not set")
                )
            }
            _ => String::new(),
        };
        tracing::info!(change = %row.id, object = row.object, option = row.option, state = now.word(), "settled a change");
        self.moved(row, now, &note).await.map(|_| ())
    }
}
