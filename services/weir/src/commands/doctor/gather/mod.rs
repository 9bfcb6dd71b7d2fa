//! Finds out what is to be judged: everything at once, each with a deadline. Never changes anything.

mod backups;
mod bus;
mod disks;
mod files;
mod server;
mod services;
mod store;
mod wishes;

use std::future::Future;
use std::time::Duration;

use weir_config::{Section, Sources};
use weir_model::Clock;

use super::facts::{ClockGap, Facts, Here, Known};
use crate::terminal::Failure;

pub(super) use wishes::Wishes;

/// Who asks whom.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) sources: Sources,
    pub(super) clock: Clock,
    /// Longest time for each thing that is asked.
    pub(super) deadline: Duration,
}

impl Asker {
    /// Everything. What does not answer is away, and stops nothing else.
    pub(super) async fn ask(&self, wishes: &Wishes) -> Facts {
        let (services, servers, store, bus, redis, channels, backups) = tokio::join!(
            services::all(self, wishes),
            server::all(self, wishes),
            store::look(self, wishes),
            bus::look(self),
            self.redis(wishes),
            backups::channels(self),
            backups::look(self, wishes),
        );
        let disks = disks::all(self, wishes, &servers).await;
        Facts {
            wanted: wishes.wanted.clone(),
            refused: wishes.refused.clone(),
            here: Here {
                unix_ms: self.clock.unix_ms(),
                descriptors_max: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            },
            services,
            servers,
            store,
            bus,
            redis,
            disks,
            certificates: files::certificates(wishes),
            channels,
            backups,
            keys: files::keys(wishes),
        }
    }

    async fn redis(&self, wishes: &Wishes) -> Option<Known<()>> {
        weir_pool_gateway::reach_redis(&wishes.gateway, self.deadline).await
    }

    /// What comes of something within the deadline, as a line where nothing does.
    async fn within<T, E: ToString>(&self, asked: impl Future<Output = Result<T, E>>) -> Known<T> {
        match tokio::time::timeout(self.deadline, asked).await {
            Ok(answered) => answered.map_err(|error| one_line(&error.to_string())),
            Err(_) => Err(format!("no answer within {:?}", self.deadline)),
        }
    }

    /// Compares a clock elsewhere with the one here, which said `before_ms` when it was asked. `coarse_ms`: it tells
    /// time in steps of so much, cut off.
    fn gap(&self, before_ms: i64, told_ms: i64, coarse_ms: i64) -> ClockGap {
        let after_ms = self.clock.unix_ms();
        ClockGap {
            ahead_ms: told_ms + coarse_ms / 2 - (before_ms + after_ms) / 2,
            give_or_take_ms: (after_ms - before_ms + coarse_ms + 1) / 2,
        }
    }
}

/// A section as it is, or with its defaults where it cannot be read: that is told elsewhere.
fn section<S: Section>(sources: &Sources) -> Result<S, Failure> {
    match sources.section() {
        Ok(section) => Ok(section),
        Err(_) => Ok(Sources::load(None, [])?.section()?),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_never_answers_is_given_up() {
        let asker = Asker {
            sources: Sources::load(None, []).unwrap(),
            clock: Clock::system(),
            deadline: Duration::from_millis(20),
        };
        let never = asker.within(std::future::pending::<Result<(), String>>()).await;
        assert_eq!(never.unwrap_err(), "no answer within 20ms");
        let refused = asker.within(async { Err::<(), _>("a\nb") }).await;
        assert_eq!(refused.unwrap_err(), "a b");
    }
}
