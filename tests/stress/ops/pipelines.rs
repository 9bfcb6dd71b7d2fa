//! Many requests before the first answer: the place where poolers mix answers up.

use weir_pgwire::backend::tag;

use crate::client::Client;
use crate::frames::Frames;
use crate::reply::Outcome;

const READ: &str = "select $1::text";
const FAIL: &str = "select 1 / 0";

impl Client {
    pub(super) async fn pipeline(&mut self) -> Outcome {
        match self.rng.u8(0..5) {
            0 | 1 => self.several_syncs().await,
            2 => self.one_sync().await,
            3 => self.one_sync_with_an_error().await,
            _ => self.flushes().await,
        }
    }

    /// Each Sync has an answer of its own; one that fails does not touch the others.
    async fn several_syncs(&mut self) -> Outcome {
        let count = self.rng.usize(2..=10);
        let steps: Vec<(String, bool)> = (0..count).map(|_| (self.tag(), self.rng.u8(0..8) == 0)).collect();
        let frames = steps.iter().fold(Frames::default(), |frames, (tag, fails)| {
            let frames = if *fails {
                frames.run(FAIL, &[])
            } else {
                frames.run(READ, &[tag])
            };
            frames.sync()
        });
        self.send(&frames).await?;
        for (tag, fails) in &steps {
            let reply = self.collect(&[tag::READY_FOR_QUERY]).await?;
            if *fails {
                reply.expect_error("22012", &["1EZI", "12EZI"])?;
            } else {
                reply.expect("12DCZI", &[tag])?;
            }
        }
        Ok(())
    }

    async fn one_sync(&mut self) -> Outcome {
        let count = self.rng.usize(2..=10);
        let tags: Vec<String> = (0..count).map(|_| self.tag()).collect();
        let frames = tags.iter().fold(Frames::default().parse("", READ), |frames, tag| {
            frames.bind("", "", &[tag]).execute("", 0)
        });
        let reply = self.round(&frames.sync()).await?;
        let shape = format!("1{}ZI", "2DC".repeat(count));
        reply.expect(&shape, &tags.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Everything after the error is skipped up to the Sync.
    async fn one_sync_with_an_error(&mut self) -> Outcome {
        let (tag, never) = (self.tag(), self.tag());
        let frames = Frames::default()
            .run(READ, &[&tag])
            .run(FAIL, &[])
            .run(READ, &[&never])
            .sync();
        let reply = self.round(&frames).await?;
        reply.expect_error("22012", &["12DC1EZI", "12DC12EZI"])?;
        reply.expect_values(&[&tag])
    }

    /// Answers are asked for by Flush, with the Sync long after.
    async fn flushes(&mut self) -> Outcome {
        let (one, other) = (self.tag(), self.tag());
        let frames = Frames::default().parse("", READ).bind("", "", &[&one]).describe();
        self.send(&frames.execute("", 0).flush()).await?;
        let ends = [tag::COMMAND_COMPLETE, tag::ERROR_RESPONSE];
        self.collect(&ends).await?.expect("12TDC", &[&one])?;
        self.send(&Frames::default().bind("", "", &[&other]).execute("", 0).flush())
            .await?;
        self.collect(&ends).await?.expect("2DC", &[&other])?;
        self.round(&Frames::default().sync()).await?.expect("ZI", &[])
    }
}
