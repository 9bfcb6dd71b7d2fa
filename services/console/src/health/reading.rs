//! What the answers of one round mean for each part. Pure.

use std::collections::BTreeMap;

use super::ops::{Need, NoAnswer, Readyz};
use super::state::{CONNECTIVITY, Kind, Sighting, State};
use super::traffic::Verdict;
use crate::exposition::{Family, family};

/// Services that have tables of their own, with the schema that holds them.
pub(crate) const SCHEMAS: [(&str, &str); 6] = [
    ("query-monitor", "weir_monitor"),
    ("cache", "weir_cache"),
    ("scheduler", "weir_scheduler"),
    ("maintenance", "weir_maintenance"),
    ("backup", "weir_backup"),
    ("console", "weir_console"),
];

/// What a service said, and how long that took.
pub(crate) type Said = (Result<Readyz, NoAnswer>, f64);

/// The services, and what they depend on.
pub(crate) fn services(answers: &BTreeMap<&'static str, Said>) -> Vec<Sighting> {
    let mut all: Vec<Sighting> = answers
        .iter()
        .map(|(name, (answer, took_ms))| service(name, answer, *took_ms))
        .collect();
    all.extend(dependencies(answers));
    all.push(schema(answers));
    all
}

fn service(name: &str, answer: &Result<Readyz, NoAnswer>, took_ms: f64) -> Sighting {
    let of = |state, reason: &str| Sighting::new(name, Kind::Service, state, reason);
    let said = match answer {
        Ok(said) => said,
        Err(error) => {
            let away = of(State::Down, &error.to_string());
            return if error.is_sure() { away } else { away.unsure() };
        }
    };
    let waits = |optional: bool| {
        let needs = said
            .dependencies
            .iter()
            .filter(|need| need.optional == optional && need.state != "up");
        needs.map(Need::told).collect::<Vec<_>>().join("; ")
    };
    let (state, reason) = match (said.stopping, said.ready) {
        (true, _) => (State::Degraded, "it is stopping".to_owned()),
        (false, false) if is_starting(said) => (State::Unknown, "it is starting".to_owned()),
        (false, false) => (State::Down, waits(false)),
        (false, true) => {
            let away = waits(true);
            (if away.is_empty() { State::Up } else { State::Degraded }, away)
        }
    };
    of(state, &reason).took(took_ms)
}

/// It waits for nothing that it has tried to reach.
fn is_starting(said: &Readyz) -> bool {
    let mut waits = said
        .dependencies
        .iter()
        .filter(|need| !need.optional && need.state != "up");
    waits.all(Need::is_untried)
}

impl Need {
    fn is_untried(&self) -> bool {
        self.state == "starting" && self.reason == "not reached yet"
    }

    fn told(&self) -> String {
        if self.reason.is_empty() {
            self.name.clone()
        } else {
            format!("{}: {}", self.name, self.reason)
        }
    }
}

/// Each dependency by its name: up where everybody says so, down where nobody does.
fn dependencies(answers: &BTreeMap<&'static str, Said>) -> Vec<Sighting> {
    let mut told: BTreeMap<&str, Vec<(&str, &Need)>> = BTreeMap::new();
    for (service, (answer, _)) in answers {
        let needs = answer.iter().flat_map(|said| &said.dependencies);
        needs.for_each(|need| told.entry(&need.name).or_default().push((service, need)));
    }
    told.into_iter().map(|(name, told)| dependency(name, &told)).collect()
}

fn dependency(name: &str, told: &[(&str, &Need)]) -> Sighting {
    let away: Vec<&(&str, &Need)> = told
        .iter()
        .filter(|(_, need)| need.state != "up" && !need.is_untried())
        .collect();
    let ups = told.iter().filter(|(_, need)| need.state == "up").count();
    let state = match (away.len(), ups) {
        (0, 0) => State::Unknown,
        (0, _) => State::Up,
        (_, 0) => State::Down,
        _ => State::Degraded,
    };
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    away.iter()
        .for_each(|(service, need)| reasons.entry(&need.reason).or_default().push(service));
    let reasons: Vec<String> = reasons
        .iter()
        .map(|(reason, services)| format!("{}: {reason}", services.join(", ")))
        .collect();
    Sighting::new(name, Kind::Dependency, state, reasons.join("; "))
}

/// How far a service is with its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tables {
    /// They are there and of this version.
    Current,
    /// They are not, or not yet.
    Missing,
    /// The store does not answer now.
    Away,
}

/// How far a service is with its tables, and why. None: it does not answer.
pub(crate) fn tables(answer: &Result<Readyz, NoAnswer>) -> Option<(Tables, String)> {
    let store = answer
        .as_ref()
        .ok()?
        .dependencies
        .iter()
        .find(|need| need.name == "store")?;
    let tables = match store.state.as_str() {
        "up" => Tables::Current,
        "starting" => Tables::Missing,
        _ => Tables::Away,
    };
    Some((tables, store.reason.clone()))
}

fn schema(answers: &BTreeMap<&'static str, Said>) -> Sighting {
    let found = SCHEMAS.iter().map(|(service, schema)| {
        let tables = answers.get(service).and_then(|(answer, _)| tables(answer));
        (*schema, tables)
    });
    let (mut missing, mut hidden) = (Vec::new(), Vec::new());
    for (schema, tables) in found {
        match tables {
            Some((Tables::Current, _)) => {}
            Some((Tables::Missing, reason)) => missing.push(format!("{schema} is not there yet ({reason})")),
            Some((Tables::Away, _)) | None => hidden.push(schema),
        }
    }
    let of = |state, reason: String| Sighting::new("schema", Kind::Aspect, state, reason);
    if !missing.is_empty() {
        of(State::Degraded, missing.join("; "))
    } else if hidden.is_empty() {
        of(State::Up, String::new())
    } else {
        of(
            State::Unknown,
            format!("nobody can say anything of {}", hidden.join(", ")),
        )
    }
}

/// The breaker of each upstream.
pub(crate) fn breakers(families: &[Family]) -> Vec<(String, String)> {
    let samples = family(families, "weir_circuit_breaker_state").filter(|sample| sample.value() == Some(1.0));
    samples
        .filter_map(|sample| Some((sample.label("upstream")?, sample.label("state")?)))
        .collect()
}

pub(crate) fn upstreams(families: &[Family]) -> Vec<Sighting> {
    let breakers = breakers(families).into_iter().map(|(upstream, breaker)| {
        let (state, reason) = match breaker.as_str() {
            "closed" => (State::Up, ""),
            "half_open" => (State::Degraded, "its breaker is half open: one caller tries for all"),
            _ => (State::Down, "its breaker is open: callers are refused at once"),
        };
        Sighting::new(format!("upstream {upstream}"), Kind::Dependency, state, reason)
    });
    breakers.collect()
}

/// Callers that wait for a connection longer than they should.
pub(crate) fn pools(families: &[Family]) -> Sighting {
    let sizes = |state: &'static str| {
        let samples =
            family(families, "db_pool_size").filter(move |sample| sample.label("state").as_deref() == Some(state));
        samples.filter_map(|sample| Some((sample.label("database")?, sample.value()?)))
    };
    let idle: BTreeMap<String, f64> = sizes("idle").collect();
    let short = sizes("waiting")
        .filter(|(database, waiting)| *waiting > 0.0 && idle.get(database).is_none_or(|idle| *idle < 1.0));
    let short: Vec<String> = short
        .map(|(database, waiting)| format!("{waiting} callers wait for a connection to {database}"))
        .collect();
    let state = if short.is_empty() { State::Up } else { State::Degraded };
    // Waiting for a moment is what a pool is there for.
    Sighting::new("pools", Kind::Dependency, state, short.join("; ")).unsure()
}

/// Whether statements are answered.
pub(crate) fn connectivity(answer: &Result<f64, (String, bool)>) -> Sighting {
    match answer {
        Ok(took_ms) => Sighting::new(CONNECTIVITY, Kind::Aspect, State::Up, "").took(*took_ms),
        Err((reason, true)) => Sighting::new(CONNECTIVITY, Kind::Aspect, State::Down, reason),
        Err((reason, false)) => Sighting::new(CONNECTIVITY, Kind::Aspect, State::Down, reason).unsure(),
    }
}

pub(crate) fn performance(verdict: &Verdict) -> Sighting {
    let (state, reason) = match verdict {
        Verdict::Fine => (State::Up, ""),
        Verdict::Quiet => (State::Up, "too little ran in the last minute to judge by"),
        Verdict::Bad(reason) => (State::Degraded, reason.as_str()),
    };
    Sighting::new("performance", Kind::Aspect, state, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::read;

    fn said(ready: bool, needs: &[(&str, &str, &str, bool)]) -> Said {
        let dependencies = needs.iter().map(|(name, state, reason, optional)| Need {
            name: (*name).to_owned(),
            state: (*state).to_owned(),
            reason: (*reason).to_owned(),
            optional: *optional,
        });
        let readyz = Readyz {
            ready,
            stopping: false,
            dependencies: dependencies.collect(),
        };
        (Ok(readyz), 1.5)
    }

    fn state_of(sightings: &[Sighting], name: &str) -> (State, String) {
        let found = sightings.iter().find(|sighting| sighting.name == name).unwrap();
        (found.state, found.reason.clone())
    }

    #[test]
    fn a_service_without_what_it_only_uses_is_degraded_and_without_what_it_needs_is_down() {
        let answers = BTreeMap::from([
            (
                "cache",
                said(true, &[("store", "up", "", false), ("bus", "down", "refused", true)]),
            ),
            (
                "backup",
                said(false, &[("store", "down", "gone", false), ("bus", "up", "", true)]),
            ),
            (
                "scheduler",
                said(false, &[("store", "starting", "not reached yet", false)]),
            ),
            (
                "maintenance",
                (Err(NoAnswer::Away(std::io::ErrorKind::ConnectionRefused)), 0.1),
            ),
        ]);
        let all = services(&answers);
        assert_eq!(state_of(&all, "cache"), (State::Degraded, "bus: refused".to_owned()));
        assert_eq!(state_of(&all, "backup"), (State::Down, "store: gone".to_owned()));
        assert_eq!(
            state_of(&all, "scheduler"),
            (State::Unknown, "it is starting".to_owned())
        );
        assert_eq!(state_of(&all, "maintenance").0, State::Down);
        assert_eq!(state_of(&all, "bus"), (State::Degraded, "cache: refused".to_owned()));
        assert_eq!(state_of(&all, "store"), (State::Degraded, "backup: gone".to_owned()));
        // Tables that are not there yet are told before those that nobody can look at.
        let (state, reason) = state_of(&all, "schema");
        assert_eq!(
            (state, reason.contains("weir_scheduler is not there yet")),
            (State::Degraded, true),
            "{reason}"
        );
    }

    #[test]
    fn breakers_and_waiting_callers_are_read_from_metrics() {
        let families = read(
            "# TYPE weir_circuit_breaker_state gauge\nweir_circuit_breaker_state{upstream=\"a:1\",state=\"closed\"} 0\n\
             weir_circuit_breaker_state{upstream=\"a:1\",state=\"open\"} 1\nweir_circuit_breaker_state{upstream=\"b:1\",state=\"closed\"} 1\n\
             # TYPE db_pool_size gauge\ndb_pool_size{database=\"x\",state=\"waiting\"} 3\ndb_pool_size{database=\"x\",state=\"idle\"} 0\n\
             db_pool_size{database=\"y\",state=\"waiting\"} 3\ndb_pool_size{database=\"y\",state=\"idle\"} 2\n",
        );
        let all = upstreams(&families);
        assert_eq!(
            (state_of(&all, "upstream a:1").0, state_of(&all, "upstream b:1").0),
            (State::Down, State::Up)
        );
        let pools = pools(&families);
        assert_eq!(
            (pools.state, pools.reason.as_str()),
            (State::Degraded, "3 callers wait for a connection to x")
        );
    }
}
