//! Pure. The sums, by project and by shape.
//!
//! Gateways tell totals since their start, each under an id of its own. The last that was told of each is kept, so that
//! a message that is lost or told twice changes nothing; a sum is that of all gateways. A gateway that falls silent is
//! kept too, for the case that only the bus was away, and after a long time becomes a part of what is past.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use weir_model::Project;
use weir_proto::events::v1::{CacheCounted, CacheCounts, CacheLine, CacheStanding};

use super::benefit::Recent;

/// Of whom nothing was heard for so long, nothing is there any more.
const SILENT_AFTER_MS: i64 = 60_000;
/// After so long a silence a gateway does not come back.
const PAST_AFTER_MS: i64 = 24 * 3_600_000;
/// A shape that nobody speaks of may go after this, where there is no room.
const IDLE_AFTER_MS: i64 = 600_000;
/// Longest text that is kept.
const TEXT_BYTES_MAX: usize = 4 * 1024;

/// How much is remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) gateways_max: usize,
    pub(super) projects_max: usize,
    pub(super) shapes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            gateways_max: 1_000,
            projects_max: 5_000,
            shapes_max: 50_000,
        }
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    Counted,
    /// A later one was there before it.
    Late,
    /// There was no room for all of it.
    Crowded,
}

/// Everything that is known.
#[derive(Debug)]
pub(super) struct Ledger {
    limits: Limits,
    gateways: HashMap<Arc<str>, Gateway>,
    projects: BTreeMap<Project, ProjectSums>,
    shape_serial: u64,
    shape_count: usize,
}

#[derive(Debug)]
struct Gateway {
    heard_ms: i64,
    is_here: bool,
}

/// The sums of one project.
#[derive(Debug, Default)]
pub(super) struct ProjectSums {
    told: HashMap<Arc<str>, Told>,
    past: CacheCounts,
    past_bypass_ms: u64,
    invalidations: u64,
    shapes: HashMap<(Arc<str>, u64), ShapeSums>,
}

/// What one gateway told last.
#[derive(Debug)]
struct Told {
    at_unix_ms: i64,
    serial: u64,
    counts: CacheCounts,
    bypass_ms: u64,
}

/// The sums of one shape in one database.
#[derive(Debug)]
pub(super) struct ShapeSums {
    /// Its place among those of equal benefit.
    pub(super) serial: u64,
    pub(super) text: String,
    pub(super) recent: Recent,
    told: HashMap<Arc<str>, ToldLine>,
    past: CacheCounts,
    heard_ms: i64,
}

#[derive(Debug)]
struct ToldLine {
    told: Told,
    standing: CacheStanding,
    policy_id: String,
}

/// A project's sums at one moment.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Sums {
    pub(super) counts: CacheCounts,
    pub(super) bypass_ms: u64,
    pub(super) invalidations: u64,
}

/// What is done about a shape, by the gateways that are there.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Stance {
    pub(super) by_standing: BTreeMap<i32, usize>,
    pub(super) policy_id: String,
}

impl Ledger {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            gateways: HashMap::new(),
            projects: BTreeMap::new(),
            shape_serial: 0,
            shape_count: 0,
        }
    }

    pub(super) fn note(&mut self, project: &Project, counted: CacheCounted, now_ms: i64) -> Noted {
        let Some(instance) = self.hear(&counted, now_ms) else {
            return Noted::Crowded;
        };
        if !self.projects.contains_key(project) && self.projects.len() >= self.limits.projects_max {
            return Noted::Crowded;
        }
        let sums = self.projects.entry(project.clone()).or_default();
        if sums
            .told
            .get(&instance)
            .is_some_and(|told| told.at_unix_ms > counted.at_unix_ms)
        {
            return Noted::Late;
        }
        sums.note_totals(&instance, &counted);
        let at_unix_ms = counted.at_unix_ms;
        let mut noted = Noted::Counted;
        for line in counted.lines {
            if self.note_line(project, &instance, line, (at_unix_ms, now_ms)).is_none() {
                noted = Noted::Crowded;
            }
        }
        noted
    }

    /// The gateway, which is there unless it says farewell.
    fn hear(&mut self, counted: &CacheCounted, now_ms: i64) -> Option<Arc<str>> {
        let name = counted.instance.as_str();
        let known = self.gateways.get_key_value(name).map(|(name, _)| name.clone());
        let instance = match known {
            Some(instance) => instance,
            None => {
                self.make_room_for_gateway()?;
                Arc::from(name)
            }
        };
        let is_here = !counted.leaving;
        let gateway = Gateway {
            heard_ms: now_ms,
            is_here,
        };
        self.gateways.insert(instance.clone(), gateway);
        Some(instance)
    }

    fn note_line(
        &mut self,
        project: &Project,
        instance: &Arc<str>,
        line: CacheLine,
        (at_unix_ms, now_ms): (i64, i64),
    ) -> Option<()> {
        let key = (Arc::from(line.database.as_str()), line.fingerprint);
        if !self.projects.get(project)?.shapes.contains_key(&key) {
            self.make_room(now_ms)?;
            self.shape_serial += 1;
            self.shape_count += 1;
            let shape = ShapeSums::new(self.shape_serial, now_ms);
            self.projects.get_mut(project)?.shapes.insert(key.clone(), shape);
        }
        let shape = self.projects.get_mut(project)?.shapes.get_mut(&key)?;
        shape.note(instance, line, (at_unix_ms, now_ms));
        Some(())
    }

    fn make_room(&mut self, now_ms: i64) -> Option<()> {
        if self.shape_count >= self.limits.shapes_max {
            for sums in self.projects.values_mut() {
                sums.shapes.retain(|_, shape| now_ms - shape.heard_ms < IDLE_AFTER_MS);
            }
            self.shape_count = self.projects.values().map(|sums| sums.shapes.len()).sum();
        }
        (self.shape_count < self.limits.shapes_max).then_some(())
    }

    pub(super) fn note_invalidated(&mut self, project: &Project, tags: u64) {
        if self.projects.contains_key(project) || self.projects.len() < self.limits.projects_max {
            self.projects.entry(project.clone()).or_default().invalidations += tags;
        }
    }

    /// Sees who has fallen silent.
    pub(super) fn fade(&mut self, now_ms: i64) {
        let mut past = Vec::new();
        for (instance, gateway) in &mut self.gateways {
            let silence_ms = now_ms - gateway.heard_ms;
            gateway.is_here &= silence_ms < SILENT_AFTER_MS;
            if silence_ms >= PAST_AFTER_MS {
                past.push(instance.clone());
            }
        }
        for instance in past {
            self.forget(&instance);
        }
    }

    /// Makes a part of the past who has been silent longest, where too many are remembered.
    fn make_room_for_gateway(&mut self) -> Option<()> {
        if self.gateways.len() >= self.limits.gateways_max {
            let silent = self.gateways.iter().filter(|(_, gateway)| !gateway.is_here);
            let longest = silent.min_by_key(|(_, gateway)| gateway.heard_ms)?.0.clone();
            self.forget(&longest);
        }
        Some(())
    }

    fn forget(&mut self, instance: &Arc<str>) {
        self.gateways.remove(instance);
        for sums in self.projects.values_mut() {
            sums.forget(instance);
        }
    }

    /// Every project, or the one asked for.
    pub(super) fn projects(&self, only: Option<&Project>) -> Vec<(Project, Sums)> {
        let wanted = self
            .projects
            .iter()
            .filter(|(project, _)| only.is_none_or(|only| only == *project));
        wanted
            .map(|(project, sums)| (project.clone(), self.sums(sums)))
            .collect()
    }

    fn sums(&self, project: &ProjectSums) -> Sums {
        let mut sums = Sums {
            counts: project.past.clone(),
            bypass_ms: project.past_bypass_ms,
            invalidations: project.invalidations,
        };
        for (instance, told) in &project.told {
            self.add(&mut sums.counts, instance, &told.counts);
            sums.bypass_ms += told.bypass_ms;
        }
        sums
    }

    fn add(&self, sum: &mut CacheCounts, instance: &Arc<str>, counts: &CacheCounts) {
        add(sum, counts);
        if self.is_here(instance) {
            sum.entries += counts.entries;
            sum.bytes += counts.bytes;
        }
    }

    fn is_here(&self, instance: &Arc<str>) -> bool {
        self.gateways.get(instance).is_some_and(|gateway| gateway.is_here)
    }

    /// The shapes of a project, each with its database and number.
    pub(super) fn shapes(&self, project: &Project) -> impl Iterator<Item = (&str, u64, &ShapeSums)> {
        let shapes = self.projects.get(project).into_iter().flat_map(|sums| &sums.shapes);
        shapes.map(|((database, fingerprint), shape)| (&**database, *fingerprint, shape))
    }

    #[cfg(test)]
    fn shape(&self, project: &Project, database: &str, fingerprint: u64) -> Option<&ShapeSums> {
        self.projects
            .get(project)?
            .shapes
            .get(&(Arc::from(database), fingerprint))
    }

    /// A shape's sums, and what is done about it.
    pub(super) fn of_shape(&self, shape: &ShapeSums) -> (CacheCounts, Stance) {
        let (mut counts, mut stance) = (shape.past.clone(), Stance::default());
        for (instance, line) in &shape.told {
            self.add(&mut counts, instance, &line.told.counts);
            if self.is_here(instance) {
                *stance.by_standing.entry(line.standing.into()).or_default() += 1;
                if !line.policy_id.is_empty() {
                    stance.policy_id.clone_from(&line.policy_id);
                }
            }
        }
        (counts, stance)
    }
}

impl ProjectSums {
    fn note_totals(&mut self, instance: &Arc<str>, counted: &CacheCounted) {
        let told = Told {
            at_unix_ms: counted.at_unix_ms,
            serial: counted.serial,
            counts: counted.totals.clone().unwrap_or_default(),
            bypass_ms: counted.bypass_ms_total,
        };
        if let Some(before) = self.told.insert(instance.clone(), told)
            && before.serial != counted.serial
        {
            add(&mut self.past, &before.counts);
            self.past_bypass_ms += before.bypass_ms;
        }
    }

    fn forget(&mut self, instance: &Arc<str>) {
        if let Some(told) = self.told.remove(instance) {
            add(&mut self.past, &told.counts);
            self.past_bypass_ms += told.bypass_ms;
        }
        for shape in self.shapes.values_mut() {
            if let Some(line) = shape.told.remove(instance) {
                add(&mut shape.past, &line.told.counts);
            }
        }
    }
}

impl ShapeSums {
    fn new(serial: u64, now_ms: i64) -> Self {
        Self {
            serial,
            text: String::new(),
            recent: Recent::new(now_ms),
            told: HashMap::new(),
            past: CacheCounts::default(),
            heard_ms: now_ms,
        }
    }

    fn note(&mut self, instance: &Arc<str>, line: CacheLine, (at_unix_ms, now_ms): (i64, i64)) {
        self.heard_ms = now_ms;
        let standing = line.standing();
        let counts = line.counts.unwrap_or_default();
        if !line.text.is_empty() && line.text.len() <= TEXT_BYTES_MAX {
            self.text = line.text;
        }
        // Of a gateway that is heard for the first time nobody knows when it did all that.
        match self.told.get(instance) {
            Some(before) if before.told.serial == line.serial => {
                self.recent.add(now_ms, &before.told.counts, &counts);
            }
            Some(before) => add(&mut self.past, &before.told.counts),
            None => {}
        }
        let told = Told {
            at_unix_ms,
            serial: line.serial,
            counts,
            bypass_ms: 0,
        };
        let line = ToldLine {
            told,
            standing,
            policy_id: line.policy_id,
        };
        self.told.insert(instance.clone(), line);
    }
}

/// Adds what was done; what is held is another matter.
pub(super) fn add(sum: &mut CacheCounts, other: &CacheCounts) {
    macro_rules! fields {
        ($($field:ident),+) => { $(sum.$field = sum.$field.saturating_add(other.$field);)+ };
    }
    fields!(
        hits_memory_total,
        hits_shared_total,
        hit_us_total,
        miss_us_total,
        overhead_us_total
    );
    fields!(
        fills_total,
        fill_bytes_total,
        evictions_total,
        saved_us_total,
        would_have_saved_us_total
    );
    fields!(
        dry_hits_total,
        dry_hit_us_total,
        dry_misses_total,
        dry_miss_us_total,
        dry_overhead_us_total
    );
    for (own, other) in [
        (&mut sum.misses_total, &other.misses_total),
        (&mut sum.bypasses_total, &other.bypasses_total),
        (&mut sum.fills_refused_total, &other.fills_refused_total),
    ] {
        for (reason, count) in other {
            let own = own.entry(reason.clone()).or_default();
            *own = own.saturating_add(*count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;
    const DAY_MS: i64 = 24 * 3_600_000;

    fn shop() -> Project {
        Project::parse("shop").unwrap()
    }

    fn ledger() -> Ledger {
        Ledger::new(Limits {
            gateways_max: 3,
            projects_max: 2,
            shapes_max: 4,
        })
    }

    fn counts(hits: u64) -> CacheCounts {
        CacheCounts {
            hits_memory_total: hits,
            misses_total: [("absent".to_owned(), hits)].into(),
            entries: 5,
            bytes: 50,
            saved_us_total: 7,
            ..CacheCounts::default()
        }
    }

    fn counted(instance: &str, at_unix_ms: i64, hits: u64) -> CacheCounted {
        CacheCounted {
            instance: instance.to_owned(),
            at_unix_ms,
            serial: 1,
            totals: Some(counts(hits)),
            bypass_ms_total: 100,
            lines: vec![line(1, hits)],
            ..CacheCounted::default()
        }
    }

    fn line(fingerprint: u64, hits: u64) -> CacheLine {
        CacheLine {
            fingerprint,
            database: "orders".to_owned(),
            serial: 1,
            counts: Some(counts(hits)),
            standing: CacheStanding::On.into(),
            text: "select $1".to_owned(),
            ..CacheLine::default()
        }
    }

    fn totals(ledger: &Ledger) -> CacheCounts {
        ledger.projects(Some(&shop())).remove(0).1.counts
    }

    fn of_shape(ledger: &Ledger) -> CacheCounts {
        ledger.of_shape(ledger.shape(&shop(), "orders", 1).unwrap()).0
    }

    #[test]
    fn gateways_are_added_and_what_is_told_again_counts_once() {
        let mut ledger = ledger();
        for (instance, at, hits) in [("a", 1, 10), ("a", 2, 12), ("b", 1, 5), ("a", 2, 12)] {
            assert_eq!(ledger.note(&shop(), counted(instance, at, hits), at), Noted::Counted);
        }
        assert_eq!(ledger.note(&shop(), counted("a", 1, 10), 3), Noted::Late);
        for sums in [totals(&ledger), of_shape(&ledger)] {
            assert_eq!((sums.hits_memory_total, sums.misses_total["absent"]), (17, 17));
            assert_eq!((sums.entries, sums.bytes, sums.saved_us_total), (10, 100, 14));
        }
        assert_eq!(ledger.projects(None)[0].1.bypass_ms, 200);
    }

    #[test]
    fn a_gateway_that_falls_silent_holds_nothing_and_still_counts_and_may_come_back() {
        let mut ledger = ledger();
        ledger.note(&shop(), counted("a", 0, 10), 0);
        ledger.note(&shop(), counted("b", MINUTE_MS, 5), MINUTE_MS);
        ledger.fade(MINUTE_MS + 1);
        for sums in [totals(&ledger), of_shape(&ledger)] {
            assert_eq!((sums.hits_memory_total, sums.entries), (15, 5));
        }
        // Only the bus had been away.
        ledger.note(&shop(), counted("a", 3 * MINUTE_MS, 11), MINUTE_MS + 2);
        assert_eq!((totals(&ledger).hits_memory_total, totals(&ledger).entries), (16, 10));
        ledger.fade(3 * DAY_MS);
        for sums in [totals(&ledger), of_shape(&ledger)] {
            assert_eq!((sums.hits_memory_total, sums.entries, sums.bytes), (16, 0, 0));
        }
        assert!(ledger.gateways.is_empty());
    }

    #[test]
    fn a_farewell_is_taken_at_once() {
        let mut ledger = ledger();
        ledger.note(&shop(), counted("a", 0, 10), 0);
        let farewell = CacheCounted {
            leaving: true,
            lines: Vec::new(),
            ..counted("a", 1, 12)
        };
        ledger.note(&shop(), farewell, 1);
        assert_eq!((totals(&ledger).hits_memory_total, totals(&ledger).entries), (12, 0));
        let stance = ledger.of_shape(ledger.shape(&shop(), "orders", 1).unwrap()).1;
        assert!(stance.by_standing.is_empty());
    }

    #[test]
    fn counts_that_begin_anew_are_added_to_those_before() {
        let mut ledger = ledger();
        ledger.note(&shop(), counted("a", 0, 10), 0);
        let mut anew = counted("a", 1, 3);
        (anew.serial, anew.lines[0].serial) = (2, 9);
        ledger.note(&shop(), anew, 1);
        assert_eq!(
            (totals(&ledger).hits_memory_total, of_shape(&ledger).hits_memory_total),
            (13, 13)
        );
        assert_eq!(totals(&ledger).entries, 5);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut ledger = ledger();
        for fingerprint in 0..4 {
            let mut message = counted("a", 0, 1);
            message.lines = vec![line(fingerprint, 1)];
            assert_eq!(ledger.note(&shop(), message, 0), Noted::Counted);
        }
        let mut fifth = counted("a", 1, 2);
        fifth.lines = vec![line(4, 1)];
        assert_eq!(ledger.note(&shop(), fifth.clone(), 1), Noted::Crowded);
        assert_eq!(totals(&ledger).hits_memory_total, 2, "the project counts all the same");
        assert_eq!(
            ledger.note(&shop(), fifth, IDLE_AFTER_MS + 1),
            Noted::Counted,
            "idle ones make room"
        );
        ledger.note(&shop(), counted("b", 0, 1), 0);
        ledger.note(&shop(), counted("c", 0, 1), 0);
        assert_eq!(ledger.note(&shop(), counted("d", 0, 1), 0), Noted::Crowded);
        for (name, noted) in [("b", Noted::Counted), ("c", Noted::Crowded)] {
            assert_eq!(
                ledger.note(&Project::parse(name).unwrap(), counted("a", 0, 1), 0),
                noted,
                "{name}"
            );
        }
    }

    #[test]
    fn who_has_been_silent_longest_makes_room_and_still_counts() {
        let mut ledger = ledger();
        for (name, heard_ms) in [("a", 5), ("b", 3), ("c", 7)] {
            ledger.note(&shop(), counted(name, 0, 1), heard_ms);
        }
        ledger.fade(MINUTE_MS + 6);
        assert_eq!(ledger.note(&shop(), counted("d", 0, 1), MINUTE_MS + 6), Noted::Counted);
        let mut left: Vec<_> = ledger.gateways.keys().map(|name| &**name).collect();
        left.sort_unstable();
        assert_eq!(left, ["a", "c", "d"]);
        for sums in [totals(&ledger), of_shape(&ledger)] {
            assert_eq!((sums.hits_memory_total, sums.entries), (4, 10));
        }
    }

    #[test]
    fn tags_count_for_their_project() {
        let mut ledger = ledger();
        ledger.note_invalidated(&shop(), 3);
        ledger.note_invalidated(&shop(), 4);
        assert_eq!(ledger.projects(None)[0].1.invalidations, 7);
    }
}
