//! What binds a server to one client: temporary tables, held cursors, LISTEN, locks of the session, SQL's PREPARE.
//!
//! Only so many clients at once do that, and each gives it back soon: who binds the whole pool starves the others, and
//! no pooler could help that.

use std::time::Duration;

use tokio::time::timeout;

use crate::client::Client;
use crate::reply::{Outcome, Trouble};
use crate::session::Pin;
use crate::tally::Oracle;

/// Operations until everything is given back.
const OPS_MAX: u32 = 12;
/// How long a notification to oneself may take beyond the answer to NOTIFY.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

impl Client {
    pub(super) async fn pinned(&mut self) -> Outcome {
        let Some(pin) = &mut self.session.pin else {
            return self.pin().await;
        };
        if pin.left == 0 {
            return self.unpin().await;
        }
        pin.left -= 1;
        match self.rng.u8(0..5) {
            0 => self.temp().await,
            1 => self.held().await,
            2 => self.notification().await,
            3 => self.lock().await,
            _ => self.sql_prepared().await,
        }
    }

    async fn pin(&mut self) -> Outcome {
        match self.shared.pins.clone().try_acquire_owned() {
            Ok(permit) => {
                self.session.pin = Some(Pin::new(permit, self.rng.u32(1..=OPS_MAX)));
                Ok(())
            }
            Err(_) => self.simple().await,
        }
    }

    /// By a clean session, or by leaving.
    async fn unpin(&mut self) -> Outcome {
        if self.rng.u8(0..3) == 0 {
            return self.leave().await;
        }
        self.discard().await
    }

    fn own(&mut self) -> Result<&mut Pin, Trouble> {
        self.session
            .pin
            .as_mut()
            .ok_or_else(|| Trouble::Lost("the session is a fresh one".to_owned()))
    }

    async fn temp(&mut self) -> Outcome {
        match self.own()?.temp.clone() {
            None => {
                let tag = self.tag();
                let sql = format!("create temp table scratch as select '{tag}'::text as v");
                self.command(&sql, "CZI", "SELECT 1").await?;
                self.own()?.temp = Some(tag);
                Ok(())
            }
            Some(_) if self.rng.u8(0..4) == 0 => {
                self.command("drop table scratch", "CZI", "DROP TABLE").await?;
                self.own()?.temp = None;
                Ok(())
            }
            Some(value) => self.see("select v from scratch", &value, Oracle::TempForeign).await,
        }
    }

    async fn held(&mut self) -> Outcome {
        match self.own()?.held.clone() {
            None => {
                let tag = self.tag();
                let sql = format!("declare h cursor with hold for select '{tag}'");
                self.command(&sql, "CZI", "DECLARE CURSOR").await?;
                self.own()?.held = Some(tag);
                Ok(())
            }
            Some(value) => {
                self.see("fetch 1 from h", &value, Oracle::TempForeign).await?;
                self.command("close h", "CZI", "CLOSE CURSOR").await?;
                self.own()?.held = None;
                Ok(())
            }
        }
    }

    async fn sql_prepared(&mut self) -> Outcome {
        match self.own()?.prepared.clone() {
            None => {
                let tag = self.tag();
                let sql = format!("prepare q(text) as select '{tag}' || $1");
                self.command(&sql, "CZI", "PREPARE").await?;
                self.own()?.prepared = Some(tag);
                Ok(())
            }
            Some(_) if self.rng.u8(0..4) == 0 => {
                self.command("deallocate q", "CZI", "DEALLOCATE").await?;
                self.own()?.prepared = None;
                Ok(())
            }
            Some(value) => {
                let tag = self.tag();
                let sql = format!("execute q('{tag}')");
                self.see(&sql, &format!("{value}{tag}"), Oracle::PreparedForeign).await
            }
        }
    }

    /// One value, which must be this session's own.
    async fn see(&mut self, sql: &str, value: &str, foreign: Oracle) -> Outcome {
        let reply = self.query(sql).await?;
        reply.expect_shape("TDCZI")?;
        if reply.first() == value {
            return Ok(());
        }
        let what = format!("{sql}: expected {value}, got {}", reply.first());
        Err(Trouble::Wrong(foreign, what))
    }

    async fn lock(&mut self) -> Outcome {
        let id = self.id;
        if self.own()?.locks {
            let reply = self.query(&format!("select pg_advisory_unlock(1, {id})::text")).await?;
            reply.expect_shape("TDCZI")?;
            if reply.first() != "true" {
                let what = format!("client {id} does not hold its lock any more");
                return Err(Trouble::Wrong(Oracle::LockLost, what));
            }
        } else {
            self.ask(&format!("select pg_advisory_lock(1, {id})::text"), "TDCZI", &[""])
                .await?;
        }
        let pin = self.own()?;
        pin.locks = !pin.locks;
        Ok(())
    }

    async fn notification(&mut self) -> Outcome {
        let channel = self.channel();
        if !self.own()?.listens {
            // From the moment on that the server has it, something may come.
            self.own()?.listens = true;
            return self.command(&format!("listen {channel}"), "CZI", "LISTEN").await;
        }
        if self.rng.u8(0..4) == 0 {
            self.command(&format!("unlisten {channel}"), "CZI", "UNLISTEN").await?;
            self.own()?.listens = false;
            self.notified.clear();
            return Ok(());
        }
        let tag = self.tag();
        self.command(&format!("notify {channel}, '{tag}'"), "CZI", "NOTIFY")
            .await?;
        self.wait_for(&tag).await
    }

    /// PostgreSQL tells it before the end of the answer; a pooler may take a moment longer.
    async fn wait_for(&mut self, tag: &str) -> Outcome {
        let told = timeout(TOLD_WITHIN, async {
            while !self.notified.iter().any(|payload| payload == tag) {
                let ends = [weir_pgwire::backend::tag::NOTIFICATION_RESPONSE];
                self.collect(&ends).await?.expect_shape("")?;
            }
            Ok(())
        });
        match told.await {
            Ok(outcome) => {
                self.notified.retain(|payload| payload != tag);
                outcome
            }
            Err(_) => {
                let what = format!("{tag} did not come; came {:?}", self.notified);
                Err(Trouble::Wrong(Oracle::NotificationLost, what))
            }
        }
    }
}
