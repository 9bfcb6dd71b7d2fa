//! How far a job is: a bar with rate and remaining time on a terminal, else a line now and then. On standard error, so
//! that what is printed in the end stays apart.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use weir_model::size_in_words;
use weir_proto::backup::v1 as api;
use weir_proto::common::v1::JobState;

use super::words::duration;

/// Without a terminal, a line at most so often within a phase.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows how far a job is.
pub(super) enum Shown {
    /// Not at all.
    Nowhere,
    Bar(ProgressBar),
    Lines {
        phase: String,
        at: Option<Instant>,
    },
}

impl Shown {
    pub(super) fn new(is_wanted: bool) -> Self {
        if !is_wanted {
            return Self::Nowhere;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines {
                phase: String::new(),
                at: None,
            };
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{prefix:12} [{bar:30}] {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self::Bar(bar)
    }

    pub(super) fn show(&mut self, job: &api::Job) {
        let transfer = job.transfer.clone().unwrap_or_default();
        let phase = phase_of(job, &transfer);
        let line = line(job, &transfer);
        match self {
            Self::Nowhere => {}
            Self::Bar(bar) => {
                bar.set_prefix(phase);
                bar.set_length(transfer.total_bytes.max(1));
                bar.set_position(transfer.done_bytes.min(transfer.total_bytes));
                bar.set_message(line);
            }
            Self::Lines { phase: last, at } => {
                if *last == phase && at.is_some_and(|at| at.elapsed() < LINE_EVERY) {
                    return;
                }
                last.clone_from(&phase);
                *at = Some(now());
                // Whoever does not read it misses nothing that is not said again in the end.
                let _ = writeln!(std::io::stderr().lock(), "{phase}: {line}");
            }
        }
    }

    pub(super) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how often a line is printed is nothing that a test would move"
)]
fn now() -> Instant {
    Instant::now()
}

fn phase_of(job: &api::Job, transfer: &api::Transfer) -> String {
    match job.state() {
        JobState::Requested if job.attempts > 0 => "waiting".to_owned(),
        JobState::Requested => "requested".to_owned(),
        _ if transfer.phase.is_empty() => "running".to_owned(),
        _ => transfer.phase.clone(),
    }
}

fn line(job: &api::Job, transfer: &api::Transfer) -> String {
    if job.state() == JobState::Requested {
        return match job.error.as_str() {
            "" => "no worker has begun yet".to_owned(),
            error => format!("to be tried again: {error}"),
        };
    }
    let mut words = size_in_words(transfer.done_bytes);
    if let Some(percent) = transfer
        .done_bytes
        .saturating_mul(100)
        .checked_div(transfer.total_bytes)
    {
        words = format!("{words} of {} ({percent} %)", size_in_words(transfer.total_bytes));
    }
    if transfer.bytes_per_second > 0 {
        words = format!("{words}, {}/s", size_in_words(transfer.bytes_per_second));
    }
    if transfer.remaining_ms > 0 {
        words = format!("{words}, {} left", duration(transfer.remaining_ms));
    }
    if transfer.throttled {
        words.push_str(", held back for the users");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_is_known_and_nothing_else() {
        let transfer = api::Transfer {
            phase: "copy".to_owned(),
            done_bytes: 512 << 20,
            total_bytes: 1 << 30,
            bytes_per_second: 64 << 20,
            remaining_ms: 8_000,
            throttled: true,
            ..api::Transfer::default()
        };
        let mut job = api::Job {
            transfer: Some(transfer.clone()),
            ..api::Job::default()
        };
        job.set_state(JobState::Running);
        assert_eq!(
            (phase_of(&job, &transfer).as_str(), line(&job, &transfer).as_str()),
            (
                "copy",
                "512.0 MB of 1.0 GB (50 %), 64.0 MB/s, 8.0 s left, held back for the users"
            )
        );
        let nothing = api::Transfer::default();
        assert_eq!(
            (phase_of(&job, &nothing).as_str(), line(&job, &nothing).as_str()),
            ("running", "0 B")
        );
        job.set_state(JobState::Requested);
        assert_eq!(line(&job, &nothing), "no worker has begun yet");
        job.attempts = 1;
        job.error = "the store is away".to_owned();
        assert_eq!(line(&job, &nothing), "to be tried again: the store is away");
    }
}
