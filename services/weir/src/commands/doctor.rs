//! `weir doctor`: examines a set-up, and says how each finding is mended.
//!
//! What is found out (`gather`) is apart from what it means (`judge`): the one waits and never changes anything, the
//! other is a function of the facts.

mod check;
mod facts;
mod gather;
mod judge;
mod names;

use std::time::Duration;

use clap::Args;
use serde_json::json;
use weir_config::Sources;
use weir_model::Clock;

use crate::commands::BAD_SETTINGS;
use crate::terminal::{Failure, Listing, say, say_json};
use check::{Check, State};
use gather::{Asker, Wishes};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only these checks, by name (`server.wal_level`) or area (`server`); may be given several times, or with commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',', num_args = 1..)]
    only: Vec<String>,
    /// Longest time for each thing that is asked, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
    /// Print what is good, too.
    #[arg(long)]
    all: bool,
    /// List the names of the checks with what they look at, and examine nothing.
    #[arg(long)]
    list: bool,
    /// Print JSON: every check with its state.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    arguments.only.iter().try_for_each(|word| known(word))?;
    if arguments.list {
        return list(&arguments);
    }
    let wishes = Wishes::read(&sources)?;
    let asker = Asker {
        sources,
        clock: Clock::system(),
        deadline: Duration::from_secs(arguments.timeout),
    };
    let mut checks = judge::all(&Box::pin(asker.ask(&wishes)).await);
    checks.retain(|check| is_wanted(&arguments.only, check.name));
    if arguments.json {
        say_json(&json!({ "checks": checks.iter().map(Check::to_json).collect::<Vec<_>>() }))?;
    } else {
        show(&checks, arguments.all)?;
    }
    verdict(&checks)
}

/// Refuses a word that chooses nothing, with the nearest one that does.
fn known(word: &str) -> Result<(), Failure> {
    let words = names::words();
    if words.contains(&word) {
        return Ok(());
    }
    let near = weir_config::nearest(word, &words).map(|near| format!("; did you mean {near}?"));
    let line = format!(
        "there is no check {word}{} (weir doctor --list)",
        near.unwrap_or_default()
    );
    Err(crate::commands::Refused::new(BAD_SETTINGS, line).into())
}

fn is_wanted(only: &[String], name: &str) -> bool {
    only.is_empty() || only.iter().any(|word| names::chooses(word, name))
}

fn list(arguments: &Arguments) -> Result<(), Failure> {
    let wanted = names::NAMES.iter().filter(|(name, _)| is_wanted(&arguments.only, name));
    if arguments.json {
        let checks: Vec<_> = wanted
            .map(|(name, looks_at)| json!({ "name": name, "looks_at": looks_at }))
            .collect();
        return say_json(&json!({ "checks": checks }));
    }
    let mut listing = Listing::new(&["CHECK", "LOOKS AT"], "no checks");
    for (name, looks_at) in wanted {
        listing.row([(*name).to_owned(), (*looks_at).to_owned()]);
    }
    listing.say()
}

fn show(checks: &[Check], all: bool) -> Result<(), Failure> {
    for check in checks.iter().filter(|check| all || check.state != State::Good) {
        let about = if check.about.is_empty() {
            String::new()
        } else {
            format!(" ({})", check.about)
        };
        say(&format!(
            "{:<8} {}{about}: {}",
            check.state.word(),
            check.name,
            check.found
        ))?;
        if !check.mend.is_empty() {
            say(&format!("         mend: {}", check.mend))?;
        }
    }
    say(&summary(checks))
}

fn summary(checks: &[Check]) -> String {
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    let states = [State::Problem, State::Warning, State::Note, State::Skipped, State::Good];
    let counts: Vec<String> = states
        .map(|state| format!("{} {}", count(state), plural(state, count(state))))
        .into();
    format!("{} checks: {}", checks.len(), counts.join(", "))
}

fn plural(state: State, count: usize) -> String {
    let counted = matches!(state, State::Problem | State::Warning | State::Note);
    let end = if counted && count != 1 { "s" } else { "" };
    format!("{}{end}", state.word())
}

fn verdict(checks: &[Check]) -> Result<(), Failure> {
    match checks.iter().filter(|check| check.state.is_bad()).count() {
        0 => Ok(()),
        1 => Err("1 finding asks for something".into()),
        bad => Err(format!("{bad} findings ask for something").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::check::Subject;
    use super::*;

    #[test]
    fn the_exit_status_follows_the_worst() {
        let subject = Subject("server.clock", "db");
        let fine = [subject.good("x"), subject.note("x", "y"), subject.skipped("x")];
        assert!(verdict(&fine).is_ok());
        assert!(verdict(&[subject.warning("x", "y")]).is_err());
        assert_eq!(
            summary(&fine),
            "3 checks: 0 problems, 0 warnings, 1 note, 1 skipped, 1 good"
        );
    }

    #[test]
    fn a_wrong_name_is_refused_with_the_right_one() {
        assert!(known("server").is_ok() && known("backup.key").is_ok());
        let refused = known("server.wal_lebel").unwrap_err().to_string();
        assert!(refused.contains("did you mean server.wal_level?"), "{refused}");
    }
}
