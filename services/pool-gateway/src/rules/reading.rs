//! A rule's text: `database=shop user=report : pool_max=5 weight=0.5`. Pure.

use std::time::Duration;

use weir_config::Setting;
use weir_model::Project;

use super::pattern::Pattern;
use super::{Rule, Says, Scope};
use crate::settings::{FirewallMode, PoolMode, Strictness};

/// What stands between whom a rule is about and what it says.
const DIVIDER: &str = ":";
const FORM: &str = "a rule is `database=… user=… application=… project=… : setting=value …`";
/// What a rule may say.
const SETTINGS: &str = "pool_mode, pool_max, pool_min, clients_max, weight, statement_timeout, \
    idle_in_transaction_timeout, project, choose_project, queries_per_second, rows_per_second, bytes_per_second, \
    server_seconds_per_second, firewall, firewall_threshold, firewall_strictness, firewall_forbidden";
/// No statement scores more.
const SCORE_MAX: u16 = 100;
/// More than this is no share any more.
const WEIGHT_MAX: f64 = 1_000.0;

/// Reads one rule; the error says what is wrong with it.
pub(super) fn rule(text: &str) -> Result<Rule, String> {
    let words = words(text)?;
    let divider = words.iter().position(|word| word == DIVIDER);
    let Some((about, said)) = divider.map(|at| words.split_at(at)) else {
        return Err(format!("{FORM}; the `:` is missing"));
    };
    let scope = scope(about)?;
    let says = says(said.get(1..).unwrap_or_default())?;
    check(&scope, &says)?;
    Ok(Rule {
        text: text.trim().to_owned(),
        scope,
        says,
    })
}

/// A pool is one for a database and user, and a project is known only when it has been decided.
fn check(scope: &Scope, says: &Says) -> Result<(), String> {
    let is_of_session = scope.application.is_named() || scope.project.is_named();
    if is_of_session && (says.pool_max.is_some() || says.pool_min.is_some()) {
        return Err(
            "a pool is one for a database and user; a rule for an application or project cannot bound it".into(),
        );
    }
    if scope.project.is_named() && (says.project.is_some() || says.choose_project.is_some()) {
        return Err("a rule cannot decide the project by the project".into());
    }
    match (says.pool_min, says.pool_max) {
        (Some(min), Some(max)) if min > max => Err(format!("pool_min={min} is more than pool_max={max}")),
        _ => Ok(()),
    }
}

fn scope(words: &[String]) -> Result<Scope, String> {
    let mut scope = Scope {
        text: if words.is_empty() {
            "*".into()
        } else {
            words.join(" ").into()
        },
        ..Scope::default()
    };
    let mut seen = Vec::new();
    for word in words.iter().filter(|word| *word != "*") {
        let (key, value) = pair(word, &mut seen)?;
        let place = match key {
            "database" => &mut scope.database,
            "user" => &mut scope.user,
            "application" => &mut scope.application,
            "project" => &mut scope.project,
            other => {
                return Err(format!(
                    "{other:?} is none of database, user, application and project, whom a rule can be about"
                ));
            }
        };
        *place = Pattern::of(value);
    }
    Ok(scope)
}

fn says(words: &[String]) -> Result<Says, String> {
    if words.is_empty() {
        return Err("it says nothing behind the `:`".to_owned());
    }
    let mut says = Says::default();
    let mut seen = Vec::new();
    for word in words {
        let (key, value) = pair(word, &mut seen)?;
        say(&mut says, key, value).map_err(|reason| format!("{key}: {reason}"))?;
    }
    Ok(says)
}

fn say(says: &mut Says, key: &str, value: &str) -> Result<(), String> {
    match key {
        "pool_mode" => says.pool_mode = Some(PoolMode::read(value)?),
        "pool_max" => says.pool_max = Some(at_least_one(u32::read(value)?)?),
        "pool_min" => says.pool_min = Some(u32::read(value)?),
        "clients_max" => says.clients_max = Some(usize::read(value)?),
        "weight" => says.weight = Some(weight(value)?),
        "statement_timeout" => says.statement_timeout = Some(some_time(value)?),
        "idle_in_transaction_timeout" => says.idle_in_transaction_timeout = Some(Duration::read(value)?),
        "project" => says.project = Some(Project::read(value)?),
        "choose_project" => says.choose_project = Some(bool::read(value)?),
        "queries_per_second" => says.queries_per_second = Some(rate(value)?),
        "rows_per_second" => says.rows_per_second = Some(rate(value)?),
        "bytes_per_second" => says.bytes_per_second = Some(bytes(value)?),
        "server_seconds_per_second" => says.server_seconds_per_second = Some(rate(value)?),
        "firewall" => says.firewall = Some(FirewallMode::read(value)?),
        "firewall_threshold" => says.firewall_threshold = Some(score(value)?),
        "firewall_strictness" => says.firewall_strictness = Some(Strictness::read(value)?),
        "firewall_forbidden" => says.firewall_forbidden = Some(bool::read(value)?),
        _ => return Err(format!("a rule cannot say that; it says {SETTINGS}")),
    }
    Ok(())
}

/// A key with its value; each may come once.
fn pair<'w>(word: &'w str, seen: &mut Vec<&'w str>) -> Result<(&'w str, &'w str), String> {
    let (key, value) = word
        .split_once('=')
        .ok_or_else(|| format!("{word:?} is no `name=value`; {FORM}"))?;
    if seen.contains(&key) {
        return Err(format!("{key} is there twice"));
    }
    seen.push(key);
    Ok((key, value))
}

fn at_least_one(number: u32) -> Result<u32, String> {
    if number == 0 {
        return Err("a pool needs at least one connection".to_owned());
    }
    Ok(number)
}

fn some_time(value: &str) -> Result<Duration, String> {
    let duration = Duration::read(value)?;
    if duration.is_zero() {
        return Err("nothing can be done in no time; give a duration".to_owned());
    }
    Ok(duration)
}

fn weight(value: &str) -> Result<f64, String> {
    let weight = rate(value)?;
    if weight > WEIGHT_MAX {
        return Err(format!("{value:?} is more than {WEIGHT_MAX}"));
    }
    Ok(weight)
}

fn score(value: &str) -> Result<u16, String> {
    let score = u16::read(value)?;
    if !(1..=SCORE_MAX).contains(&score) {
        return Err(format!("a score is from 1 to {SCORE_MAX}"));
    }
    Ok(score)
}

fn rate(value: &str) -> Result<f64, String> {
    let rate = f64::read(value)?;
    if !rate.is_finite() || rate <= 0.0 {
        return Err(format!("{value:?} is not a number above 0"));
    }
    Ok(rate)
}

/// A rate of bytes, which may have PostgreSQL's units.
fn bytes(value: &str) -> Result<f64, String> {
    const UNITS: [(&str, f64); 4] = [("kB", 1024.0), ("MB", 1_048_576.0), ("GB", 1_073_741_824.0), ("B", 1.0)];
    for (unit, factor) in UNITS {
        if let Some(number) = value.strip_suffix(unit) {
            return Ok(rate(number)? * factor);
        }
    }
    rate(value)
}

/// Words divided by white space; a quoted part is taken as it is.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            space if space.is_whitespace() && !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}
