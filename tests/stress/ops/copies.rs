//! COPY in both directions, well and badly.

use weir_pgwire::backend::tag;

use crate::client::Client;
use crate::frames::Frames;
use crate::ledger::{Entry, Fate};
use crate::reply::{Outcome, Trouble, short};
use crate::tally::Oracle;

/// The start of a COPY into the ledger.
pub(super) const COPY_IN: &str = "copy ledger from stdin";

impl Client {
    pub(super) async fn copy(&mut self) -> Outcome {
        match self.rng.u8(0..5) {
            0 => self.copy_in().await,
            1 => self.copy_in_without_waiting().await,
            2 => self.copy_in_given_up().await,
            3 => self.copy_in_of_nonsense().await,
            _ => self.copy_out().await,
        }
    }

    /// Some rows, each a write.
    pub(super) fn rows_to_copy(&mut self) -> (Vec<Entry>, Frames) {
        let count = self.rng.usize(1..=20);
        let entries: Vec<Entry> = (0..count).map(|_| self.begin_write()).collect();
        let frames = entries.iter().fold(Frames::default(), |frames, entry| {
            frames.copy_data(&format!("{}\t{}\n", self.id, entry.seq()))
        });
        (entries, frames)
    }

    async fn open_copy(&mut self) -> Outcome {
        self.send(&Frames::query(COPY_IN)).await?;
        let ends = [tag::COPY_IN_RESPONSE, tag::READY_FOR_QUERY];
        self.collect(&ends).await?.expect_shape("G")
    }

    async fn copy_in(&mut self) -> Outcome {
        self.open_copy().await?;
        let (entries, frames) = self.rows_to_copy();
        let reply = self.round(&frames.copy_done()).await?;
        reply.expect_done("CZI", &[&format!("COPY {}", entries.len())])?;
        self.settle(&entries, Fate::Acknowledged);
        Ok(())
    }

    /// The data follows the statement at once, as a client in a hurry sends it.
    async fn copy_in_without_waiting(&mut self) -> Outcome {
        let (entries, frames) = self.rows_to_copy();
        self.send(&Frames::query(COPY_IN)).await?;
        let reply = self.round(&frames.copy_done()).await?;
        reply.expect_done("GCZI", &[&format!("COPY {}", entries.len())])?;
        self.settle(&entries, Fate::Acknowledged);
        Ok(())
    }

    async fn copy_in_given_up(&mut self) -> Outcome {
        self.open_copy().await?;
        let ((entries, frames), tag) = (self.rows_to_copy(), self.tag());
        let reply = self.round(&frames.copy_fail(&tag)).await?;
        reply.expect_error("57014", &["EZI"])?;
        self.settle(&entries, Fate::Refused);
        let message = reply.error.map(|error| error.message).unwrap_or_default();
        if message.contains(&tag) {
            return Ok(());
        }
        let what = format!("expected the failure {tag}, got {}", short(&message));
        Err(Trouble::Wrong(Oracle::WrongRows, what))
    }

    /// The rest of the data is thrown away up to its end.
    async fn copy_in_of_nonsense(&mut self) -> Outcome {
        self.open_copy().await?;
        let (entries, frames) = self.rows_to_copy();
        let frames = frames.copy_data("no\tnumber\n").copy_data("1\t1\n").copy_done();
        self.round(&frames).await?.expect_error("22P02", &["EZI"])?;
        self.settle(&entries, Fate::Refused);
        Ok(())
    }

    async fn copy_out(&mut self) -> Outcome {
        let (tag, count) = (self.tag(), self.rng.usize(1..=2000));
        let sql = format!("copy (select '{tag}' from generate_series(1, {count})) to stdout");
        let reply = self.query(&sql).await?;
        reply.expect_done("HdcCZI", &[&format!("COPY {count}")])?;
        if reply.copied == format!("{tag}\n").repeat(count) {
            return Ok(());
        }
        let what = format!("expected {count} times {tag}, got {}", short(&reply.copied));
        Err(Trouble::Wrong(Oracle::WrongRows, what))
    }
}
