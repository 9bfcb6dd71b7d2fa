//! Sums as callers see them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use tonic::Status;
use weir_model::{Fingerprint, Project};
use weir_proto::cache::v1 as api;
use weir_proto::events::v1::CacheStanding;
use weir_proto::page::{Page, StrangeToken};
use weir_proto::status::status;

use super::Tally;
use super::ledger::{Ledger, ShapeSums, Stance, Sums};
use crate::policy::project_of;
use crate::rules::Error;

/// Where a shape stands in the list: by what it saves, then by when it was first seen.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    saved_us_per_second: f64,
    serial: u64,
}

impl Place {
    fn compare(&self, other: &Self) -> Ordering {
        let by_benefit = other.saved_us_per_second.total_cmp(&self.saved_us_per_second);
        by_benefit.then(self.serial.cmp(&other.serial))
    }
}

/// What a page's token says beside the serial. What a shape saves in a second changes as time passes, so that all pages
/// of a list are of the moment of the first.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at_ms: i64,
    saved_us_per_second: f64,
}

impl FromStr for Mark {
    type Err = StrangeToken;

    fn from_str(text: &str) -> Result<Self, StrangeToken> {
        let (at_ms, saved) = text.split_once(',').ok_or(StrangeToken)?;
        Ok(Self {
            at_ms: at_ms.parse().map_err(|_| StrangeToken)?,
            saved_us_per_second: saved.parse().map_err(|_| StrangeToken)?,
        })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.at_ms, self.saved_us_per_second)
    }
}

impl Tally {
    pub(crate) fn statistics(&self, request: &api::GetStatisticsRequest) -> Result<api::GetStatisticsResponse, Status> {
        let only = match request.project.as_str() {
            "" => None,
            name => Some(project(name)?),
        };
        let projects = self.ledger().projects(only.as_ref());
        let total = projects.iter().map(|(_, sums)| sums).fold(Sums::default(), together);
        let by_project = projects.into_iter().map(|(project, sums)| api::ProjectStatistics {
            project: project.to_string(),
            statistics: Some(statistics(&sums)),
        });
        Ok(api::GetStatisticsResponse {
            projects: by_project.collect(),
            total: Some(statistics(&total)),
        })
    }

    pub(crate) fn shapes(&self, request: &api::ListShapesRequest) -> Result<api::ListShapesResponse, Status> {
        let project = project(&request.project)?;
        let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
        let after = page.after::<Mark, u64>().map_err(|error| status(&error))?;
        let now_ms = after.map_or_else(|| self.clock.unix_ms(), |(mark, _)| mark.at_ms);
        let after = after.map(|(mark, serial)| Place {
            saved_us_per_second: mark.saved_us_per_second,
            serial,
        });
        let (ledger, search) = (self.ledger(), request.search.to_lowercase());
        let found = ledger
            .shapes(&project)
            .filter(|(_, _, shape)| contains(&shape.text, &search));
        let mut found: Vec<(Place, &str, u64, &ShapeSums)> = found
            .map(|(database, fingerprint, shape)| (place(shape, now_ms), database, fingerprint, shape))
            .filter(|(place, ..)| after.is_none_or(|after| place.compare(&after) == Ordering::Greater))
            .collect();
        found.sort_by(|a, b| a.0.compare(&b.0));
        found.truncate(usize::try_from(page.size).unwrap_or(usize::MAX));
        let shape = |(_, database, fingerprint, shape): &(Place, &str, u64, &ShapeSums)| {
            self.shape(&ledger, (&project, database, *fingerprint), shape, now_ms)
        };
        let mark = |place: &Place| Mark {
            at_ms: now_ms,
            saved_us_per_second: place.saved_us_per_second,
        };
        Ok(api::ListShapesResponse {
            shapes: found.iter().map(shape).collect(),
            page: Some(page.answer(&found, |(place, ..)| (mark(place), place.serial))),
        })
    }

    /// What is done about a shape and what that brings. Nothing, where no gateway has told of it. An empty database is
    /// any that has it.
    fn look(
        &self,
        project: &Project,
        database: &str,
        fingerprint: Fingerprint,
    ) -> Option<(api::Decision, api::Benefit)> {
        let (ledger, now_ms, number) = (self.ledger(), self.clock.unix_ms(), fingerprint.get());
        let is_meant = |found: &str| database.is_empty() || found == database;
        let mut shapes = ledger.shapes(project);
        let (database, _, sums) = shapes.find(|(found, known, _)| *known == number && is_meant(found))?;
        let shape = self.shape(&ledger, (project, database, number), sums, now_ms);
        shape.decision.zip(shape.benefit)
    }

    /// Adds to an explanation what is done about its shape now, and what that brings, where the shape is known.
    pub(crate) fn complete(&self, project: &str, database: &str, answer: &mut api::ExplainResponse) {
        let (Ok(project), Ok(fingerprint)) = (project_of(project), answer.fingerprint.parse()) else {
            return;
        };
        if let Some((decision, benefit)) = self.look(&project, database, fingerprint) {
            answer.decision.get_or_insert(decision);
            answer.benefit.get_or_insert(benefit);
        }
    }

    fn shape(
        &self,
        ledger: &Ledger,
        (project, database, fingerprint): (&Project, &str, u64),
        shape: &ShapeSums,
        now_ms: i64,
    ) -> api::Shape {
        let (counts, stance) = ledger.of_shape(shape);
        let benefit = shape.recent.benefit(&counts, now_ms);
        let note = self.rules.note(project, &stance.policy_id).unwrap_or_default();
        api::Shape {
            fingerprint: Fingerprint::new(fingerprint).to_string(),
            text: shape.text.clone(),
            project: project.to_string(),
            database: database.to_owned(),
            decision: Some(decision(&stance, &benefit, &note)),
            benefit: Some(benefit),
            entries_memory: counts.entries,
            entries_shared: 0,
            bytes: counts.bytes,
        }
    }
}

fn project(name: &str) -> Result<Project, Status> {
    project_of(name).map_err(|error| status(&Error::from(error)))
}

fn place(shape: &ShapeSums, now_ms: i64) -> Place {
    Place {
        saved_us_per_second: shape.recent.saved_us_per_second(now_ms),
        serial: shape.serial,
    }
}

fn contains(text: &str, lower_case: &str) -> bool {
    lower_case.is_empty() || text.to_lowercase().contains(lower_case)
}

/// All projects in one. A lease that runs out stops all who use its database, so that its time is not added up.
fn together(mut all: Sums, project: &Sums) -> Sums {
    super::ledger::add(&mut all.counts, &project.counts);
    all.counts.entries += project.counts.entries;
    all.counts.bytes += project.counts.bytes;
    all.bypass_ms = all.bypass_ms.max(project.bypass_ms);
    all.invalidations += project.invalidations;
    all
}

fn statistics(sums: &Sums) -> api::Statistics {
    let counts = sums.counts.clone();
    let misses: u64 = counts.misses_total.values().sum();
    api::Statistics {
        lookups_total: counts.hits_memory_total + counts.hits_shared_total + misses,
        hits_memory_total: counts.hits_memory_total,
        hits_shared_total: counts.hits_shared_total,
        misses_total: counts.misses_total,
        bypasses_total: counts.bypasses_total,
        fills_total: counts.fills_total,
        fills_refused_total: counts.fills_refused_total,
        evictions_total: counts.evictions_total,
        invalidations_total: sums.invalidations,
        entries_memory: counts.entries,
        entries_shared: 0,
        bytes_memory: counts.bytes,
        bytes_shared: 0,
        saved_us_total: counts.saved_us_total,
        would_have_saved_us_total: counts.would_have_saved_us_total,
        bypass_ms_total: sums.bypass_ms,
    }
}

/// What most gateways do, and why, in one sentence.
fn decision(stance: &Stance, benefit: &api::Benefit, note: &str) -> api::Decision {
    let all: usize = stance.by_standing.values().sum();
    let most = stance.by_standing.iter().max_by_key(|(_, count)| **count);
    let Some((standing, count)) = most else {
        return api::Decision {
            mode: api::CacheMode::Unspecified.into(),
            reason: "no gateway has it in use at present".to_owned(),
            policy_id: String::new(),
        };
    };
    let (mode, why) = reason(CacheStanding::try_from(*standing).unwrap_or_default(), benefit);
    let is_ordered = matches!(mode, api::CacheMode::Always | api::CacheMode::DryRun) || why.is_empty();
    let by_whom = match (is_ordered, stance.policy_id.as_str(), note) {
        (false, ..) => why,
        (true, "", _) => "the gateway's settings say so".to_owned(),
        (true, id, "") => format!("rule {id} says so"),
        (true, id, note) => format!("rule {id} says so: {note}"),
    };
    let others = if *count < all {
        format!("; so in {count} of {all} gateways")
    } else {
        String::new()
    };
    api::Decision {
        mode: mode.into(),
        reason: format!("{by_whom}{others}"),
        policy_id: if is_ordered {
            stance.policy_id.clone()
        } else {
            String::new()
        },
    }
}

/// What a gateway does, and what measurements say about it; nothing, where it was ordered.
fn reason(standing: CacheStanding, benefit: &api::Benefit) -> (api::CacheMode, String) {
    let figures = format!(
        "{:.1} % of look-ups hit, a miss takes {:.0} µs, a hit {:.1} µs, a look-up adds {:.1} µs",
        benefit.hit_ratio * 100.0,
        benefit.miss_us,
        benefit.hit_us,
        benefit.overhead_us
    );
    match standing {
        CacheStanding::On | CacheStanding::Trial | CacheStanding::Unspecified => (api::CacheMode::Auto, figures),
        CacheStanding::Off => {
            let reason = format!("it loses, and only a sample of its keys is looked up: {figures}");
            (api::CacheMode::Never, reason)
        }
        CacheStanding::Always => (api::CacheMode::Always, String::new()),
        CacheStanding::Never => (api::CacheMode::Never, String::new()),
        CacheStanding::DryRun => (api::CacheMode::DryRun, String::new()),
    }
}
