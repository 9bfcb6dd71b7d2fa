//! Writing: every row goes into the ledger, and what the server says about it decides what must be found there.

use std::time::Duration;

use weir_pgwire::backend::tag;

use crate::client::Client;
use crate::frames::Frames;
use crate::ledger::{Entry, Fate};
use crate::reply::{Outcome, Trouble};

/// One row, with its number as a parameter.
pub(super) const INSERT: &str = "insert into ledger values ($1::int, $2::bigint)";

impl Client {
    /// A statement that writes one row.
    pub(super) fn insert(&self, entry: Entry) -> String {
        format!("insert into ledger values ({}, {})", self.id, entry.seq())
    }

    /// The same in the extended protocol.
    pub(super) fn insert_frames(&self, frames: Frames, entry: Entry) -> Frames {
        frames.run(INSERT, &[&self.id.to_string(), &entry.seq().to_string()])
    }

    pub(super) async fn write(&mut self) -> Outcome {
        match self.rng.u8(0..6) {
            5 => self.write_by_flush_in_vain().await,
            0 => self.write_simple().await,
            1 => self.write_extended().await,
            2 => self.write_and_return().await,
            3 => self.write_several().await,
            _ => self.write_several_in_vain().await,
        }
    }

    async fn write_simple(&mut self) -> Outcome {
        let entry = self.begin_write();
        let sql = self.insert(entry);
        self.command(&sql, "CZI", "INSERT 0 1").await?;
        self.settle(&[entry], Fate::Acknowledged);
        Ok(())
    }

    async fn write_extended(&mut self) -> Outcome {
        let entry = self.begin_write();
        let frames = self.insert_frames(Frames::default(), entry).sync();
        self.round(&frames).await?.expect_done("12CZI", &["INSERT 0 1"])?;
        self.settle(&[entry], Fate::Acknowledged);
        Ok(())
    }

    async fn write_and_return(&mut self) -> Outcome {
        let (entry, tag) = (self.begin_write(), self.tag());
        let sql = format!("{} returning '{tag}'", self.insert(entry));
        self.ask(&sql, "TDCZI", &[&tag]).await?;
        self.settle(&[entry], Fate::Acknowledged);
        Ok(())
    }

    /// Several statements up to one Sync, or in one text, are one transaction.
    async fn write_several(&mut self) -> Outcome {
        let entries = [self.begin_write(), self.begin_write()];
        let [one, other] = entries;
        let (reply, shape) = if self.rng.bool() {
            let sql = format!("{}; {}", self.insert(one), self.insert(other));
            (self.query(&sql).await?, "CCZI")
        } else {
            let frames = self.insert_frames(Frames::default(), one);
            let frames = self.insert_frames(frames, other).sync();
            (self.round(&frames).await?, "12C12CZI")
        };
        reply.expect_done(shape, &["INSERT 0 1", "INSERT 0 1"])?;
        self.settle(&entries, Fate::Acknowledged);
        Ok(())
    }

    async fn write_several_in_vain(&mut self) -> Outcome {
        let entry = self.begin_write();
        let reply = if self.rng.bool() {
            let sql = format!("{}; select 1 / 0", self.insert(entry));
            self.query(&sql).await?
        } else {
            let frames = self.insert_frames(Frames::default(), entry).run("select 1 / 0", &[]);
            self.round(&frames.sync()).await?
        };
        reply.expect_error("22012", &["CEZI", "CTEZI", "12C1EZI", "12C12EZI"])?;
        self.settle(&[entry], Fate::Refused);
        Ok(())
    }

    /// A batch that was answered and is not ended belongs to its client alone: who else ended it would commit the row.
    async fn write_by_flush_in_vain(&mut self) -> Outcome {
        let entry = self.begin_write();
        let ends = [tag::COMMAND_COMPLETE, tag::ERROR_RESPONSE];
        self.send(&self.insert_frames(Frames::default(), entry).flush()).await?;
        self.collect(&ends).await?.expect_done("12C", &["INSERT 0 1"])?;
        // So that a server that is let go too early is with another client meanwhile.
        tokio::time::sleep(Duration::from_millis(self.rng.u64(0..5))).await;
        let reply = self.round(&Frames::default().run("select 1 / 0", &[]).sync()).await?;
        reply.expect_error("22012", &["1EZI", "12EZI"])?;
        self.settle(&[entry], Fate::Refused);
        Ok(())
    }

    pub(super) async fn transaction(&mut self) -> Outcome {
        match self.rng.u8(0..6) {
            0 => self.commits().await,
            1 => self.rolls_back().await,
            2 => self.fails_inside().await,
            3 => self.uses_a_savepoint().await,
            4 => self.commits_in_one_go().await,
            _ => self.locks_inside().await,
        }
    }

    async fn begin(&mut self) -> Outcome {
        self.command("begin", "CZT", "BEGIN").await
    }

    /// Writes inside a transaction; its fate is open until the end of that.
    async fn write_inside(&mut self) -> Result<Entry, Trouble> {
        let entry = self.begin_write();
        if self.rng.bool() {
            let sql = self.insert(entry);
            self.command(&sql, "CZT", "INSERT 0 1").await?;
        } else {
            let frames = self.insert_frames(Frames::default(), entry).sync();
            self.round(&frames).await?.expect_done("12CZT", &["INSERT 0 1"])?;
        }
        Ok(entry)
    }

    async fn read_inside(&mut self) -> Outcome {
        let tag = self.tag();
        self.ask(&format!("select '{tag}'"), "TDCZT", &[&tag]).await
    }

    async fn commits(&mut self) -> Outcome {
        self.begin().await?;
        let one = self.write_inside().await?;
        self.read_inside().await?;
        let other = self.write_inside().await?;
        self.command("commit", "CZI", "COMMIT").await?;
        self.settle(&[one, other], Fate::Acknowledged);
        Ok(())
    }

    async fn rolls_back(&mut self) -> Outcome {
        self.begin().await?;
        let entry = self.write_inside().await?;
        self.read_inside().await?;
        self.command("rollback", "CZI", "ROLLBACK").await?;
        self.settle(&[entry], Fate::Refused);
        Ok(())
    }

    /// After an error a transaction refuses everything, and its commit is a rollback.
    async fn fails_inside(&mut self) -> Outcome {
        self.begin().await?;
        let entry = self.write_inside().await?;
        let reply = self.query("select 1 / 0").await?;
        reply.expect_error("22012", &["EZE", "TEZE"])?;
        let reply = self.query("select 'never'").await?;
        reply.expect_error("25P02", &["EZE"])?;
        self.command("commit", "CZI", "ROLLBACK").await?;
        self.settle(&[entry], Fate::Refused);
        Ok(())
    }

    async fn uses_a_savepoint(&mut self) -> Outcome {
        self.begin().await?;
        let kept = self.write_inside().await?;
        self.command("savepoint a", "CZT", "SAVEPOINT").await?;
        let undone = self.write_inside().await?;
        let reply = self.query("select 1 / 0").await?;
        reply.expect_error("22012", &["EZE", "TEZE"])?;
        self.command("rollback to savepoint a", "CZT", "ROLLBACK").await?;
        self.read_inside().await?;
        self.command("commit", "CZI", "COMMIT").await?;
        self.settle(&[kept], Fate::Acknowledged);
        self.settle(&[undone], Fate::Refused);
        Ok(())
    }

    async fn commits_in_one_go(&mut self) -> Outcome {
        let entry = self.begin_write();
        let frames = self.insert_frames(Frames::default().run("begin", &[]), entry);
        let reply = self.round(&frames.run("commit", &[]).sync()).await?;
        reply.expect_done("12C12C12CZI", &["BEGIN", "INSERT 0 1", "COMMIT"])?;
        self.settle(&[entry], Fate::Acknowledged);
        Ok(())
    }

    /// A lock that ends with the transaction needs no session.
    async fn locks_inside(&mut self) -> Outcome {
        self.begin().await?;
        let sql = format!("select pg_advisory_xact_lock(2, {})::text", self.id);
        self.ask(&sql, "TDCZT", &[""]).await?;
        let entry = self.write_inside().await?;
        self.command("commit", "CZI", "COMMIT").await?;
        self.settle(&[entry], Fate::Acknowledged);
        Ok(())
    }
}
