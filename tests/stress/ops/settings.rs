//! SET in all its forms, and whether the session looks as they left it.

use crate::client::Client;
use crate::frames::Frames;
use crate::reply::{Outcome, Trouble};
use crate::session::{Session, Setting};
use crate::tally::Oracle;

/// All settings at once, and everything that another session may have left behind.
const LOOK: &str = "select current_setting('app.tag', true), current_setting('application_name'),
    current_setting('TimeZone'), current_setting('search_path'),
    to_regclass('pg_temp.scratch')::text,
    (select count(*) from pg_listening_channels() c where c like 'ch\\_%')::text,
    (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())::text";

impl Client {
    fn some_setting(&mut self) -> (Setting, String) {
        let setting = Setting::ALL[self.rng.usize(0..Setting::ALL.len())];
        let (tag, number) = (self.tag(), self.rng.u32(..));
        (setting, setting.value(&tag, number))
    }

    pub(super) async fn set(&mut self) -> Outcome {
        match self.rng.u8(0..9) {
            0 | 1 => self.set_plainly().await,
            2 => self.set_by_extended_protocol().await,
            3 => self.set_by_function().await,
            4 => self.set_and_commit().await,
            5 => self.set_and_roll_back().await,
            6 => self.set_in_vain().await,
            7 => self.set_locally().await,
            _ => self.set_back().await,
        }
    }

    async fn set_plainly(&mut self) -> Outcome {
        let (setting, value) = self.some_setting();
        self.command(&statement("set", setting, &value), "CZI", "SET").await?;
        self.session.set(setting, value);
        Ok(())
    }

    async fn set_by_extended_protocol(&mut self) -> Outcome {
        let (setting, value) = self.some_setting();
        let frames = Frames::default().run(&statement("set", setting, &value), &[]);
        self.round(&frames.sync()).await?.expect_done("12CZI", &["SET"])?;
        self.session.set(setting, value);
        Ok(())
    }

    async fn set_by_function(&mut self) -> Outcome {
        let (setting, value) = self.some_setting();
        let sql = format!("select set_config('{}', '{value}', false)", setting.name());
        self.ask(&sql, "TDCZI", &[&value]).await?;
        self.session.set(setting, value);
        Ok(())
    }

    async fn set_and_commit(&mut self) -> Outcome {
        let (setting, value) = self.some_setting();
        self.command("begin", "CZT", "BEGIN").await?;
        self.command(&statement("set", setting, &value), "CZT", "SET").await?;
        self.command("commit", "CZI", "COMMIT").await?;
        self.session.set(setting, value);
        Ok(())
    }

    /// What was set in a transaction that is undone was never set.
    async fn set_and_roll_back(&mut self) -> Outcome {
        let (setting, value) = self.some_setting();
        self.command("begin", "CZT", "BEGIN").await?;
        self.command(&statement("set", setting, &value), "CZT", "SET").await?;
        self.command("rollback", "CZI", "ROLLBACK").await
    }

    /// Two statements in one text are one transaction, and the second one fails.
    async fn set_in_vain(&mut self) -> Outcome {
        let (setting, value) = self.some_setting();
        let sql = format!("{}; select 1 / 0", statement("set", setting, &value));
        self.query(&sql).await?.expect_error("22012", &["CEZI", "CTEZI"])
    }

    async fn set_locally(&mut self) -> Outcome {
        let (setting, value) = self.some_setting();
        self.command("begin", "CZT", "BEGIN").await?;
        self.command(&statement("set local", setting, &value), "CZT", "SET")
            .await?;
        self.ask(&format!("show {}", setting.name()), "TDCZT", &[&value])
            .await?;
        self.command("commit", "CZI", "COMMIT").await
    }

    async fn set_back(&mut self) -> Outcome {
        let (setting, _) = self.some_setting();
        self.command(&format!("reset {}", setting.name()), "CZI", "RESET")
            .await?;
        self.session.reset(setting);
        Ok(())
    }

    pub(super) async fn check(&mut self) -> Outcome {
        let (setting, _) = self.some_setting();
        if self.rng.bool() && self.session.has(setting) {
            return self.show(setting).await;
        }
        let reply = self.query(LOOK).await?;
        reply.expect_shape("TDCZI")?;
        for (index, setting) in Setting::ALL.into_iter().enumerate() {
            self.judge(setting, reply.value(index));
        }
        self.judge_remains(reply.value(4), reply.value(5), reply.value(6))
    }

    async fn show(&mut self, setting: Setting) -> Outcome {
        let reply = self.query(&format!("show {}", setting.name())).await?;
        // A server that nobody ever told of the tag does not know the name.
        if reply.error.as_ref().is_some_and(|error| error.sqlstate == "42704") {
            reply.expect_error("42704", &["EZI"])?;
            self.judge(setting, "");
            return Ok(());
        }
        reply.expect_shape("TDCZI")?;
        self.judge(setting, reply.first());
        Ok(())
    }

    /// The session goes on: the next look counts again, as an application would suffer from it again.
    fn judge(&self, setting: Setting, seen: &str) {
        if let Some((oracle, what)) = self.session.judge(setting, seen) {
            self.shared.tally.saw(oracle, || what);
        }
    }

    /// What is there without being this session's own.
    fn judge_remains(&self, temp: &str, channels: &str, locks: &str) -> Outcome {
        let pin = self.session.pin.as_ref();
        let own = |is: Option<bool>| is.unwrap_or(false);
        let remains = [
            (
                !temp.is_empty(),
                own(pin.map(|pin| pin.temp.is_some())),
                Oracle::TempLost,
                Oracle::TempForeign,
            ),
            (
                channels != "0",
                own(pin.map(|pin| pin.listens)),
                Oracle::NotificationLost,
                Oracle::NotificationForeign,
            ),
            (
                locks != "0",
                own(pin.map(|pin| pin.locks)),
                Oracle::LockLost,
                Oracle::LockForeign,
            ),
        ];
        for (is_there, is_own, lost, foreign) in remains {
            match (is_there, is_own) {
                (true, false) => return Err(Trouble::Wrong(foreign, "seen in the session".to_owned())),
                (false, true) => return Err(Trouble::Wrong(lost, "not seen in the session".to_owned())),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) async fn discard(&mut self) -> Outcome {
        self.command("discard all", "CZI", "DISCARD ALL").await?;
        self.session = Session::new(self.id);
        self.notified.clear();
        Ok(())
    }
}

/// A search path is a list of names, everything else one value.
fn statement(verb: &str, setting: Setting, value: &str) -> String {
    match setting {
        Setting::SearchPath => format!("{verb} search_path to {value}"),
        _ => format!("{verb} {} to '{value}'", setting.name()),
    }
}
