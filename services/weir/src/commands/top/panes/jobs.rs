//! Jobs under way and the latest that ended, with how far they are. Pure.

use weir_model::size_in_words;
use weir_proto::common::v1::JobState;

use super::super::jobs::Job;
use super::super::state::State;
use super::super::table::{Cell, Column, Row, Table, figures, rest, words};
use super::super::units::{percent, rate, seconds_since, span, time_of_day};

const COLUMNS: &[Column] = &[
    words("STATE", 10, 0),
    words("OPERATION", 20, 0),
    figures("DONE", 0),
    figures("RATE", 1),
    figures("LEFT", 0),
    figures("TOOK", 2),
    words("PROJECT", 16, 4),
    words("BY", 12, 5),
    figures("ASKED", 3),
    rest("NOTE", 14),
];
/// Rows are ordered by when they were asked for; those under way stand at the head.
pub(in super::super) const BY: usize = 8;

pub(in super::super) fn table(state: &State) -> Table {
    let row = |job| row(job, state.now_ms);
    Table {
        columns: COLUMNS,
        rows: state.known.jobs.all().map(row).collect(),
    }
}

pub(in super::super) const fn word(state: JobState) -> &'static str {
    match state {
        JobState::Unspecified => "-",
        JobState::Requested => "requested",
        JobState::Running => "running",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}

fn row(job: &Job, now_ms: i64) -> Row {
    let ratio = (job.total > 0).then(|| job.done.min(job.total) as f64 / job.total as f64);
    let until = if job.has_ended() { job.ended_unix_ms } else { now_ms };
    // A greater number is a later moment.
    let asked = Cell {
        number: Some(job.requested_unix_ms as f64),
        ..Cell::figure(seconds_since(job.requested_unix_ms, now_ms), |seconds| {
            format!("-{}", span(seconds))
        })
    };
    Row {
        id: job.id.clone(),
        cells: vec![
            Cell::word(word(job.state)),
            Cell::text(&job.operation),
            Cell::figure(ratio.filter(|_| job.is_running()), percent),
            Cell::figure(job.per_second, |per_second| pace(job, per_second)),
            Cell::figure(job.left.map(|left| left.as_secs_f64()), span),
            Cell::figure(seconds_since(job.started_unix_ms, until), span),
            Cell::text(&job.project),
            Cell::text(job.service),
            asked,
            Cell::text(&job.note),
        ],
        details: vec![
            ("id", crate::text::clean(&job.id)),
            ("asked for", time_of_day(job.requested_unix_ms)),
            ("begun", time_of_day(job.started_unix_ms)),
            ("ended", time_of_day(job.ended_unix_ms)),
            ("attempts", job.attempts.to_string()),
            ("done", done(job)),
        ],
        is_fixed: !job.has_ended(),
    }
}

fn pace(job: &Job, per_second: f64) -> String {
    if job.is_bytes {
        // A rate is never negative and far below what an integer holds.
        format!("{}/s", size_in_words(per_second as u64))
    } else {
        format!("{}/s", rate(per_second))
    }
}

fn done(job: &Job) -> String {
    let count = |count: u64| {
        if job.is_bytes {
            size_in_words(count)
        } else {
            count.to_string()
        }
    };
    match job.total {
        0 => count(job.done),
        total => format!("{} of {}", count(job.done), count(total)),
    }
}
