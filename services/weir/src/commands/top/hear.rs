//! What answers change. Pure.

use std::time::Duration;

use weir_proto::backup::v1 as backup;
use weir_proto::cache::v1 as cache;
use weir_proto::common::v1 as common;
use weir_proto::maintenance::v1 as maintenance;
use weir_proto::monitor::v1 as monitor;

use super::console::Console;
use super::rates::Look;
use super::state::{Away, State, Topic};
use crate::text::clean;

/// What was answered.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Statements { look: Look, next: Option<Look> },
    Server(Vec<monitor::Server>),
    Sessions(Vec<monitor::ServerSession>, Vec<monitor::BlockingChain>),
    Alerts(Vec<monitor::Alert>),
    Pools(Vec<common::Pool>),
    Console(Console),
    Cache(cache::Statistics),
    Maintenance(Vec<maintenance::Job>),
    Backup(Vec<backup::Job>),
}

impl State {
    /// Hears what became of a question, `at` after the start.
    pub(super) fn hear(&mut self, topic: Topic, answer: Result<Answer, String>, at: Duration) {
        let standing = self.standings.entry(topic).or_default();
        match answer {
            Ok(answer) => {
                standing.heard_ms = Some(self.now_ms);
                standing.away = None;
                self.take(answer, at);
            }
            Err(why) => {
                let since_ms = standing.away.as_ref().map_or(self.now_ms, |away| away.since_ms);
                let why = clean(&why);
                standing.away = Some(Away { since_ms, why });
            }
        }
    }

    fn take(&mut self, answer: Answer, at: Duration) {
        let known = &mut self.known;
        match answer {
            Answer::Statements { look, next } => {
                (known.queries, known.load) = known.looks.take(&look, next.as_ref(), at, self.now_ms);
                known.missing = clean(&look.missing);
            }
            Answer::Server(servers) => known.servers = servers,
            Answer::Sessions(activity, chains) => (known.activity, known.chains) = (activity, chains),
            Answer::Alerts(alerts) => known.alerts = alerts,
            Answer::Pools(pools) => known.pools = pools,
            Answer::Console(console) => known.console = console,
            Answer::Cache(told) => {
                let hits = told.hits_memory_total + told.hits_shared_total;
                known.cache.note(at, told.lookups_total, hits);
            }
            Answer::Maintenance(jobs) => known.jobs.take_maintenance(jobs, at),
            Answer::Backup(jobs) => known.jobs.take_backup(jobs),
        }
    }

    /// Looks at another project; what is known of the one before is forgotten.
    pub(super) fn choose_project(&mut self, project: &str) {
        self.project = if project == "default" {
            String::new()
        } else {
            project.to_owned()
        };
        self.known = super::state::Known::default();
        self.standings.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_away_since_it_first_did_not_answer_and_what_was_known_stays() {
        let mut state = State::new(String::new(), Duration::from_secs(2), 1_000);
        let pools = vec![common::Pool::default()];
        state.hear(Topic::Pools, Ok(Answer::Pools(pools)), Duration::ZERO);
        for now_ms in [3_000, 5_000] {
            state.now_ms = now_ms;
            state.hear(Topic::Pools, Err("it does\u{1b} not answer".to_owned()), Duration::ZERO);
            state.hear(
                Topic::Cache,
                Ok(Answer::Cache(cache::Statistics::default())),
                Duration::ZERO,
            );
        }
        let away: Vec<_> = state
            .away()
            .into_iter()
            .map(|(name, away)| (name, away.since_ms))
            .collect();
        assert_eq!(away, [("pool-gateway", 3_000)]);
        assert_eq!(state.away()["pool-gateway"].why, "it does\u{FFFD} not answer");
        assert_eq!(state.known.pools.len(), 1);
        assert_eq!(state.standings[&Topic::Pools].heard_ms, Some(1_000));
        state.hear(Topic::Pools, Ok(Answer::Pools(Vec::new())), Duration::ZERO);
        assert!(state.away().is_empty() && state.is_anything_known());
        state.choose_project("shop");
        assert_eq!((state.project_name(), state.is_anything_known()), ("shop", false));
        state.choose_project("default");
        assert_eq!((state.project.as_str(), state.project_name()), ("", "default"));
    }
}
