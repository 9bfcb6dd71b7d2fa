//! What the view knows, and what it shows of it. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_proto::common::v1 as common;
use weir_proto::monitor::v1 as api;

use super::console::Console;
use super::jobs::Jobs;
use super::rates::{Load, Looks, Query};
use super::table::{Order, Row, Table};
use super::{panes, recent::Recent};

/// How often the services are asked, unless told otherwise.
pub(super) const INTERVALS_MS: [u64; 7] = [500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];

/// What can be asked, each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Statements,
    Server,
    Sessions,
    Alerts,
    Pools,
    Console,
    Cache,
    Maintenance,
    Backup,
}

impl Topic {
    pub(super) const ALL: [Self; 9] = [
        Self::Statements,
        Self::Server,
        Self::Sessions,
        Self::Alerts,
        Self::Pools,
        Self::Console,
        Self::Cache,
        Self::Maintenance,
        Self::Backup,
    ];

    /// Who answers.
    pub(super) const fn service(self) -> &'static str {
        match self {
            Self::Statements | Self::Server | Self::Sessions | Self::Alerts => "query-monitor",
            Self::Pools | Self::Console => "pool-gateway",
            Self::Cache => "cache",
            Self::Maintenance => "maintenance",
            Self::Backup => "backup",
        }
    }
}

/// How it stands with what was asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// When it was answered last.
    pub(super) heard_ms: Option<i64>,
    pub(super) away: Option<Away>,
}

/// Since when there was no answer, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Away {
    pub(super) since_ms: i64,
    pub(super) why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    Queries,
    Sessions,
    Pools,
    Jobs,
    Alerts,
}

impl Pane {
    pub(super) const ALL: [Self; 5] = [Self::Queries, Self::Sessions, Self::Pools, Self::Jobs, Self::Alerts];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Queries => "queries",
            Self::Sessions => "sessions",
            Self::Pools => "pools",
            Self::Jobs => "jobs",
            Self::Alerts => "alerts",
        }
    }

    /// What it is made of, the most important first.
    pub(super) const fn topics(self) -> &'static [Topic] {
        match self {
            Self::Queries => &[Topic::Statements],
            Self::Sessions => &[Topic::Sessions, Topic::Console],
            Self::Pools => &[Topic::Pools, Topic::Console],
            Self::Jobs => &[Topic::Maintenance, Topic::Backup],
            Self::Alerts => &[Topic::Alerts],
        }
    }

    const fn order(self) -> Order {
        let column = match self {
            Self::Queries | Self::Alerts => 0,
            Self::Sessions => panes::sessions::BY,
            Self::Pools => panes::pools::BY,
            Self::Jobs => panes::jobs::BY,
        };
        Order {
            column,
            is_reversed: false,
        }
    }
}

/// Where one is in a pane.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) order: Order,
    /// The row that was chosen; it is followed wherever it goes.
    pub(super) chosen: Option<String>,
    /// Where it was.
    pub(super) index: usize,
}

/// What keys mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    Looking,
    /// A filter is being typed.
    Filtering,
    /// The name of a project is being typed.
    Choosing(String),
    /// Whether to end this client of the gateway, who is so described.
    Ending {
        client: i32,
        who: String,
    },
    /// All that is known of the chosen row, from this line on.
    Closer(usize),
    /// The keys, from this line on.
    Help(usize),
}

/// Something to be said once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) text: String,
    pub(super) until_ms: i64,
    pub(super) is_bad: bool,
}

/// What was heard.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) looks: Looks,
    pub(super) queries: Vec<Query>,
    pub(super) load: Load,
    /// Why figures are missing.
    pub(super) missing: String,
    pub(super) servers: Vec<api::Server>,
    pub(super) activity: Vec<api::ServerSession>,
    pub(super) chains: Vec<api::BlockingChain>,
    pub(super) alerts: Vec<api::Alert>,
    pub(super) pools: Vec<common::Pool>,
    pub(super) console: Console,
    /// Look-ups of the cache, and hits among them.
    pub(super) cache: Recent,
    pub(super) jobs: Jobs,
}

/// All of it.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// Empty: the project `default`.
    pub(super) project: String,
    pub(super) interval: Duration,
    pub(super) now_ms: i64,
    pub(super) is_paused: bool,
    pub(super) shows_idle: bool,
    pub(super) pane: Pane,
    pub(super) places: Vec<Place>,
    pub(super) mode: Mode,
    pub(super) filter: String,
    pub(super) note: Option<Note>,
    pub(super) standings: BTreeMap<Topic, Standing>,
    pub(super) known: Known,
}

impl State {
    pub(super) fn new(project: String, interval: Duration, now_ms: i64) -> Self {
        let place = |pane: &Pane| Place {
            order: pane.order(),
            chosen: None,
            index: 0,
        };
        Self {
            project,
            interval,
            now_ms,
            is_paused: false,
            shows_idle: false,
            pane: Pane::Queries,
            places: Pane::ALL.iter().map(place).collect(),
            mode: Mode::Looking,
            filter: String::new(),
            note: None,
            standings: BTreeMap::new(),
            known: Known::default(),
        }
    }

    /// Where one is in the pane that is shown.
    pub(super) fn place(&self) -> Option<&Place> {
        self.places.get(self.pane as usize)
    }

    pub(super) fn place_mut(&mut self) -> Option<&mut Place> {
        self.places.get_mut(self.pane as usize)
    }

    /// The rows of the pane that is shown, in their order, as far as they are wanted.
    pub(super) fn table(&self) -> Table {
        let mut table = self.whole_table(self.pane);
        table.keep(&self.filter);
        table
    }

    /// All rows of a pane in their order.
    pub(super) fn whole_table(&self, pane: Pane) -> Table {
        let mut table = match pane {
            Pane::Queries => panes::queries::table(self),
            Pane::Sessions => panes::sessions::table(self),
            Pane::Pools => panes::pools::table(self),
            Pane::Jobs => panes::jobs::table(self),
            Pane::Alerts => panes::alerts::table(self),
        };
        if let Some(place) = self.places.get(pane as usize) {
            table.sort(place.order);
        }
        table
    }

    /// Which of these rows is the chosen one.
    pub(super) fn chosen(&self, rows: &[Row]) -> usize {
        let Some(place) = self.place() else { return 0 };
        let followed = place
            .chosen
            .as_ref()
            .and_then(|id| rows.iter().position(|row| row.id == *id));
        followed.unwrap_or(place.index).min(rows.len().saturating_sub(1))
    }

    pub(super) fn say(&mut self, text: impl Into<String>, is_bad: bool) {
        let until_ms = self.now_ms + if is_bad { 8_000 } else { 4_000 };
        self.note = Some(Note {
            text: text.into(),
            until_ms,
            is_bad,
        });
    }

    /// The project's name.
    pub(super) fn project_name(&self) -> &str {
        if self.project.is_empty() {
            "default"
        } else {
            &self.project
        }
    }

    /// Services of which something was asked in vain: since when, and why.
    pub(super) fn away(&self) -> BTreeMap<&'static str, &Away> {
        let mut services: BTreeMap<&'static str, &Away> = BTreeMap::new();
        for (topic, standing) in &self.standings {
            if let Some(away) = &standing.away {
                let known = services.entry(topic.service()).or_insert(away);
                if away.since_ms < known.since_ms {
                    *known = away;
                }
            }
        }
        services
    }

    /// Whether anything was ever answered.
    pub(super) fn is_anything_known(&self) -> bool {
        self.standings.values().any(|standing| standing.heard_ms.is_some())
    }
}
