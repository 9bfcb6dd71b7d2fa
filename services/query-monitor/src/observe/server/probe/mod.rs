//! What is asked of a server: each question with its wish how often, its time-out, and what becomes of the answer.
//!
//! Questions differ between versions and are written for the one that is there. A view that a version does not have is
//! not asked for; what the role may not see is said to be missing, and the rest is read.

mod about;
mod activity;
mod databases;
mod replication;
mod statements;
mod storage;

use std::time::Duration;

use tokio::time::Instant;
use weir_upstream::Row;

use super::view::View;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Probe {
    /// What it is and what the monitor may see.
    About,
    /// Sessions.
    Activity,
    /// Who holds whom up.
    Blocking,
    /// Counters and ages of databases.
    Databases,
    /// Lag, of both sides.
    Replication,
    /// The dearest statements.
    Statements,
    /// Their texts.
    Texts,
    /// `pg_stat_io`.
    Io,
    /// Checkpoints and the log.
    Checkpoints,
    /// The tables with the oldest transaction ids.
    Ages,
    /// Sizes of databases.
    Sizes,
    /// The largest tables.
    Relations,
    /// Settings.
    Settings,
}

impl Probe {
    /// All, in the order in which they are asked at first.
    pub(super) const ALL: [Self; 13] = [
        Self::About,
        Self::Activity,
        Self::Blocking,
        Self::Databases,
        Self::Replication,
        Self::Statements,
        Self::Io,
        Self::Checkpoints,
        Self::Settings,
        Self::Texts,
        Self::Ages,
        Self::Sizes,
        Self::Relations,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::About => "about",
            Self::Activity => "activity",
            Self::Blocking => "blocking",
            Self::Databases => "databases",
            Self::Replication => "replication",
            Self::Statements => "statements",
            Self::Texts => "texts",
            Self::Io => "io",
            Self::Checkpoints => "checkpoints",
            Self::Ages => "ages",
            Self::Sizes => "sizes",
            Self::Relations => "relations",
            Self::Settings => "settings",
        }
    }

    /// How often, if it costs little.
    pub(super) const fn wish(self) -> Duration {
        Duration::from_secs(match self {
            Self::Activity | Self::Blocking => 5,
            Self::About | Self::Databases | Self::Replication => 10,
            Self::Statements | Self::Texts | Self::Io | Self::Checkpoints => 60,
            Self::Sizes => 300,
            Self::Ages | Self::Relations | Self::Settings => 600,
        })
    }

    /// How long the server may work on it.
    pub(super) const fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::Texts | Self::Sizes | Self::Relations => 10,
            Self::Statements | Self::Ages => 5,
            _ => 2,
        })
    }

    /// The question for this server; none where there is nothing to be asked.
    pub(super) fn question(self, view: &View) -> Option<String> {
        match self {
            Self::About => Some(about::FACTS.to_owned()),
            Self::Activity => Some(activity::SESSIONS.to_owned()),
            Self::Blocking => Some(activity::BLOCKING.to_owned()),
            Self::Databases => Some(databases::COUNTERS.to_owned()),
            Self::Replication => Some(replication::question(&view.facts)),
            Self::Statements => statements::question(&view.facts),
            Self::Texts => statements::texts_question(view),
            Self::Io => storage::io_question(&view.facts),
            Self::Checkpoints => Some(storage::checkpoints_question(&view.facts)),
            Self::Ages => Some(databases::AGES.to_owned()),
            Self::Sizes => Some(databases::SIZES.to_owned()),
            Self::Relations => Some(storage::RELATIONS.to_owned()),
            Self::Settings => Some(about::SETTINGS.to_owned()),
        }
    }

    /// Takes the answer in.
    pub(super) fn keep(self, view: &mut View, rows: &[Row], now: Instant) {
        match self {
            Self::About => about::keep(view, rows),
            Self::Activity => activity::keep_sessions(view, rows),
            Self::Blocking => activity::keep_blocking(view, rows),
            Self::Databases => databases::keep(view, rows, now),
            Self::Replication => replication::keep(view, rows, now),
            Self::Statements => statements::keep(view, rows),
            Self::Texts => statements::keep_texts(view, rows),
            Self::Io => storage::keep_io(view, rows),
            Self::Checkpoints => storage::keep_checkpoints(view, rows, now),
            Self::Ages => databases::keep_ages(view, rows),
            Self::Sizes => databases::keep_sizes(view, rows),
            Self::Relations => storage::keep_relations(view, rows),
            Self::Settings => about::keep_settings(view, rows),
        }
    }
}
