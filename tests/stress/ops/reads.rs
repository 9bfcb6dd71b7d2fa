//! Reading: whatever is asked carries the client's tag, and so does the answer.

use tokio::task::yield_now;
use weir_pgwire::backend::tag;

use crate::client::Client;
use crate::frames::Frames;
use crate::reply::{Outcome, Trouble, short};
use crate::tally::Oracle;

/// Texts that all clients share.
const TEXTS: usize = 200;
/// Names that each client uses, for whichever text.
const SLOTS: u32 = 12;
/// Bytes of the largest value.
const LARGE_MAX: usize = 1024 * 1024;

fn shared_text(number: usize) -> String {
    format!("select $1::text || '/{number}'")
}

impl Client {
    pub(super) async fn simple(&mut self) -> Outcome {
        let (one, other) = (self.tag(), self.tag());
        match self.rng.u8(0..4) {
            0 => {
                let sql = format!("select '{one}'; select '{other}'");
                self.ask(&sql, "TDCTDCZI", &[&one, &other]).await
            }
            1 => self.ask("", "IZI", &[]).await,
            _ => self.ask(&format!("select '{one}'"), "TDCZI", &[&one]).await,
        }
    }

    pub(super) async fn extended(&mut self) -> Outcome {
        let tag = self.tag();
        let frames = Frames::default().parse("", "select $1::text").bind("", "", &[&tag]);
        let reply = self.round(&frames.describe().execute("", 0).sync()).await?;
        reply.expect("12TDCZI", &[&tag])
    }

    pub(super) async fn named(&mut self) -> Outcome {
        let name = format!("s{}", self.rng.u32(0..SLOTS));
        let known = self.session.prepared.get(&name).copied();
        match known {
            Some(_) if self.rng.u8(0..20) == 0 => self.close_named(&name).await,
            Some(number) => self.use_named(Frames::default(), "2TDCZI", &name, number).await,
            None => {
                let number = self.rng.usize(0..TEXTS);
                let frames = Frames::default().parse(&name, &shared_text(number));
                self.use_named(frames, "12TDCZI", &name, number).await?;
                self.session.prepared.insert(name, number);
                Ok(())
            }
        }
    }

    async fn use_named(&mut self, frames: Frames, shape: &str, name: &str, number: usize) -> Outcome {
        let tag = self.tag();
        let frames = frames.bind("", name, &[&tag]).describe().execute("", 0).sync();
        let reply = self.round(&frames).await?;
        reply.expect_shape(shape)?;
        let expected = format!("{tag}/{number}");
        // The right parameter in the wrong statement is another mistake than a wrong answer.
        if reply.first() != expected && reply.first().starts_with(&format!("{tag}/")) {
            let what = format!("{name} is {}, not {expected}", reply.first());
            return Err(Trouble::Wrong(Oracle::PreparedForeign, what));
        }
        reply.expect(shape, &[&expected])
    }

    async fn close_named(&mut self, name: &str) -> Outcome {
        let reply = self.round(&Frames::default().close(name).sync()).await?;
        reply.expect_shape("3ZI")?;
        self.session.prepared.remove(name);
        Ok(())
    }

    /// There in one direction, or back as well.
    pub(super) async fn large(&mut self) -> Outcome {
        let tag = self.tag();
        let count = self.rng.usize(1..LARGE_MAX / tag.len());
        let value = tag.repeat(count);
        let reply = if self.rng.bool() {
            self.query(&format!("select repeat('{tag}', {count})")).await?
        } else {
            let frames = Frames::default().parse("", "select $1::text").bind("", "", &[&value]);
            self.round(&frames.describe().execute("", 0).sync()).await?
        };
        let shape = if reply.shape.starts_with('1') {
            "12TDCZI"
        } else {
            "TDCZI"
        };
        reply.expect(shape, &[&value])
    }

    /// Every piece is a write of its own, and often a packet.
    pub(super) async fn tiny(&mut self) -> Outcome {
        let tag = self.tag();
        let frames = Frames::default().parse("", "select $1::text").bind("", "", &[&tag]);
        let frames = frames.describe().execute("", 0).sync();
        let mut rest = frames.bytes();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(self.rng.usize(1..=7).min(rest.len()));
            self.connection()?.send(piece).await?;
            yield_now().await;
            rest = after;
        }
        let reply = self.collect(&[tag::READY_FOR_QUERY]).await?;
        reply.expect("12TDCZI", &[&tag])
    }

    pub(super) async fn sleep(&mut self) -> Outcome {
        let (tag, ms) = (self.tag(), self.rng.u32(1..=20));
        let sql = format!("select '{tag}' from pg_sleep({ms} / 1000.0)");
        self.ask(&sql, "TDCZI", &[&tag]).await
    }

    pub(super) async fn error(&mut self) -> Outcome {
        let tag = self.tag();
        let number = self.rng.u8(0..4);
        let reply = match number {
            0 => self.query("select 1 / 0").await?,
            1 => self.query(&format!("selec '{tag}'")).await?,
            2 => {
                self.query(&format!("select '{tag}'; select 1 / 0; select 'never'"))
                    .await?
            }
            _ => {
                self.round(&Frames::default().run("select $1::text::int", &[&tag]).sync())
                    .await?
            }
        };
        match number {
            0 => reply.expect_error("22012", &["EZI", "TEZI"]),
            1 => reply.expect_error("42601", &["EZI"]),
            2 => reply.expect_error("22012", &["TDCEZI", "TDCTEZI"]),
            // The message tells whose error it is.
            _ => {
                reply.expect_error("22P02", &["12EZI", "1EZI"])?;
                let message = reply.error.map(|error| error.message).unwrap_or_default();
                if message.contains(&format!("\"{tag}\"")) {
                    return Ok(());
                }
                let what = format!("expected an error about {tag}, got {}", short(&message));
                Err(Trouble::Wrong(Oracle::WrongRows, what))
            }
        }
    }
}
