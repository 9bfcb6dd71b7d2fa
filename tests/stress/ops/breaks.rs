//! What breaks off: cancels, time-outs, and clients that vanish at the worst moment.

use std::sync::atomic::Ordering;
use std::time::Duration;

use weir_pgwire::backend::tag;

use super::copies::COPY_IN;
use crate::client::Client;
use crate::frames::Frames;
use crate::ledger::Fate;
use crate::reply::{Outcome, Trouble};
use crate::tally::Oracle;

/// Long enough for a busy machine to get through a statement that does not sleep.
const TIMEOUT_MS: u32 = 200;

impl Client {
    pub(super) async fn cancel(&mut self) -> Outcome {
        match self.rng.u8(0..4) {
            0 => self.cancel_too_late().await,
            1 => self.cancel_at_any_moment().await,
            _ => self.cancel_in_a_transaction().await,
        }
    }

    /// Where many wait, the request mostly comes while the statement waits for a server.
    async fn cancel_at_any_moment(&mut self) -> Outcome {
        self.cancelled_or_not("I", "I").await?;
        Ok(())
    }

    /// The server is this client's already, so that the request mostly meets the statement.
    async fn cancel_in_a_transaction(&mut self) -> Outcome {
        self.command("begin", "CZT", "BEGIN").await?;
        let end = if self.cancelled_or_not("T", "E").await? {
            "ROLLBACK"
        } else {
            "COMMIT"
        };
        self.command("commit", "CZI", end).await
    }

    /// A statement and a request to cancel it; tells whether it was cancelled. The status that follows is one of two.
    async fn cancelled_or_not(&mut self, after: &str, after_error: &str) -> Result<bool, Trouble> {
        let tag = self.tag();
        let key = self.connection()?.cancel_key().clone();
        let (shared, wait) = (self.shared.clone(), Duration::from_millis(self.rng.u64(0..40)));
        self.send(&Frames::query(&format!("select '{tag}' from pg_sleep(0.03)")))
            .await?;
        let request = async {
            tokio::time::sleep(wait).await;
            key.cancel(&shared.address).await
        };
        // Until the request has come to its end, a cancelled statement is this client's own doing.
        let (reply, requested) = tokio::join!(self.collect(&[tag::READY_FOR_QUERY]), request);
        shared.tally.cancels.fetch_add(1, Ordering::Relaxed);
        let reply = reply?;
        requested?;
        if reply.error.is_none() {
            reply.expect(&format!("TDCZ{after}"), &[&tag])?;
            return Ok(false);
        }
        shared.tally.cancelled.fetch_add(1, Ordering::Relaxed);
        let shapes = ["E", "TE", "TDE"].map(|shape| format!("{shape}Z{after_error}"));
        reply.expect_error("57014", &shapes.each_ref().map(String::as_str))?;
        Ok(true)
    }

    /// The statement is over: whoever has its server now must not notice.
    async fn cancel_too_late(&mut self) -> Outcome {
        let tag = self.tag();
        self.ask(&format!("select '{tag}'"), "TDCZI", &[&tag]).await?;
        let key = self.connection()?.cancel_key().clone();
        let shared = self.shared.clone();
        shared.tally.cancels.fetch_add(1, Ordering::Relaxed);
        Ok(key.cancel(&shared.address).await?)
    }

    pub(super) async fn time_out(&mut self) -> Outcome {
        if self.rng.bool() {
            self.time_out_in_a_transaction().await
        } else {
            self.time_out_in_the_session().await
        }
    }

    async fn time_out_in_a_transaction(&mut self) -> Outcome {
        self.command("begin", "CZT", "BEGIN").await?;
        let sql = format!("set local statement_timeout to '{TIMEOUT_MS}ms'");
        self.command(&sql, "CZT", "SET").await?;
        self.run_into_the_time_out("ZE").await?;
        self.command("rollback", "CZI", "ROLLBACK").await
    }

    async fn time_out_in_the_session(&mut self) -> Outcome {
        let sql = format!("set statement_timeout to '{TIMEOUT_MS}ms'");
        self.command(&sql, "CZI", "SET").await?;
        self.run_into_the_time_out("ZI").await?;
        self.command("reset statement_timeout", "CZI", "RESET").await
    }

    async fn run_into_the_time_out(&mut self, end: &str) -> Outcome {
        let reply = self.query("select pg_sleep(1)").await?;
        if reply.error.is_none() {
            let what = "a time-out did not come".to_owned();
            return Err(Trouble::Wrong(Oracle::SetLost, what));
        }
        reply.expect_error("57014", &[&format!("E{end}"), &format!("TE{end}")])
    }

    pub(super) async fn disconnect(&mut self) -> Outcome {
        match self.rng.u8(0..8) {
            0 => self.vanish_in_a_result().await?,
            1 => self.vanish_in_a_pipeline().await?,
            2 => self.vanish_in_a_transaction().await?,
            3 => self.vanish_in_a_message().await?,
            4 => self.vanish_in_a_copy().await?,
            5 => self.vanish_in_a_sleep().await?,
            6 => return self.leave_in_a_transaction().await,
            _ => return self.leave().await,
        }
        self.forget_session();
        Ok(())
    }

    async fn vanish_in_a_result(&mut self) -> Outcome {
        let (tag, bytes) = (self.tag(), self.rng.usize(1..100_000));
        let sql = format!("select repeat('{tag}', 100) from generate_series(1, 3000)");
        self.send(&Frames::query(&sql)).await?;
        self.connection()?.skip(bytes).await?;
        Ok(())
    }

    /// Whether any of it was done, nobody knows; that it was done twice must not be.
    async fn vanish_in_a_pipeline(&mut self) -> Outcome {
        let mut frames = Frames::default();
        for _ in 0..self.rng.usize(2..6) {
            let entry = self.begin_write();
            frames = self.insert_frames(frames, entry).sync();
        }
        self.send(&frames).await
    }

    async fn vanish_in_a_transaction(&mut self) -> Outcome {
        self.command("begin", "CZT", "BEGIN").await?;
        let entry = self.begin_write();
        let sql = self.insert(entry);
        self.command(&sql, "CZT", "INSERT 0 1").await?;
        self.settle(&[entry], Fate::Refused);
        Ok(())
    }

    /// A message that did not come whole is none.
    async fn vanish_in_a_message(&mut self) -> Outcome {
        let entry = self.begin_write();
        let frames = Frames::query(&self.insert(entry));
        let length = self.rng.usize(0..frames.bytes().len());
        self.settle(&[entry], Fate::Refused);
        self.connection()?.send(&frames.bytes()[..length]).await?;
        Ok(())
    }

    async fn vanish_in_a_copy(&mut self) -> Outcome {
        let (entries, frames) = self.rows_to_copy();
        self.settle(&entries, Fate::Refused);
        self.send(&Frames::query(COPY_IN)).await?;
        self.send(&frames).await
    }

    async fn vanish_in_a_sleep(&mut self) -> Outcome {
        self.send(&Frames::query("select pg_sleep(0.05)")).await
    }

    async fn leave_in_a_transaction(&mut self) -> Outcome {
        self.vanish_in_a_transaction().await?;
        self.leave().await
    }
}
