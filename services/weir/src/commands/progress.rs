//! How far long work is, for whoever waits for it: one line that changes on a terminal, else a line now and then. On
//! standard error, so that what is printed in the end stays apart. Who breaks the waiting off is told that the work
//! goes on.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tonic::Code;
use weir_model::size_in_words;
use weir_proto::backup::v1 as backup;
use weir_proto::common::v1::JobState;
use weir_proto::scheduler::v1::Run;

use super::pace::Pace;
use super::top::units::{rate, span};
use crate::terminal::{BrokenOff, Failure, terminals_obey};
use crate::text::{clean, columns, cut};

/// Without a terminal, a line at most so often within a phase.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Where a terminal does not say how wide it is.
const WIDTH: u16 = 80;
const BAR_WIDTH: usize = 12;
/// Left free at the end of a line, for what a terminal echoes: a line that is full would become two.
const FREE: usize = 4;
/// What every terminal takes as: the rest of the line is empty.
const CLEAR_REST: &str = "\u{1b}[K";
const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

/// How far work is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Step {
    /// One word.
    phase: String,
    done: u64,
    /// 0: not known.
    total: u64,
    is_bytes: bool,
    /// As whoever does it knows it; otherwise it is found out from one step to the next.
    per_second: Option<f64>,
    left: Option<Duration>,
    note: String,
}

impl Step {
    fn waiting(attempts: u32, error: &str) -> Self {
        let note = match error {
            "" => "no worker has begun yet".to_owned(),
            error => format!("to be tried again: {}", clean(error)),
        };
        let phase = if attempts > 0 { "waiting" } else { "requested" };
        Self {
            phase: phase.to_owned(),
            note,
            ..Self::default()
        }
    }

    fn moving(transfer: &backup::Transfer) -> Self {
        let phase = if transfer.phase.is_empty() {
            "running"
        } else {
            &transfer.phase
        };
        Self {
            phase: clean(phase),
            done: transfer.done_bytes,
            total: transfer.total_bytes,
            is_bytes: true,
            per_second: (transfer.bytes_per_second > 0).then_some(transfer.bytes_per_second as f64),
            left: (transfer.remaining_ms > 0).then(|| Duration::from_millis(transfer.remaining_ms)),
            note: if transfer.throttled {
                "held back for the users"
            } else {
                ""
            }
            .to_owned(),
        }
    }

    fn count(&self, number: u64) -> String {
        if self.is_bytes {
            size_in_words(number)
        } else {
            number.to_string()
        }
    }

    fn pace(&self, per_second: f64) -> String {
        if self.is_bytes {
            // A rate is never negative and far below what an integer holds.
            return format!("{}/s", size_in_words(per_second as u64));
        }
        if per_second < 1.0 {
            return format!("{}/min", rate(per_second * 60.0));
        }
        format!("{}/s", rate(per_second))
    }

    fn part(&self) -> Option<f64> {
        (self.total > 0).then(|| self.done.min(self.total) as f64 / self.total as f64)
    }

    /// What is known, the most important first.
    fn words(&self, lasts: Duration) -> Vec<String> {
        let mut words = Vec::new();
        if self.total > 0 {
            words.push(format!("{} of {}", self.count(self.done), self.count(self.total)));
        } else if self.done > 0 {
            words.push(self.count(self.done));
        }
        words.extend(self.per_second.map(|per_second| self.pace(per_second)));
        words.extend(self.left.map(|left| format!("{} left", span(left.as_secs_f64()))));
        if !self.note.is_empty() {
            words.push(self.note.clone());
        }
        if words.is_empty() {
            words.push(format!("for {}", span(lasts.as_secs_f64())));
        }
        words
    }
}

impl From<&weir_console::bench::Progress> for Step {
    fn from(progress: &weir_console::bench::Progress) -> Self {
        Self {
            phase: "step".to_owned(),
            done: progress.done,
            total: progress.total,
            note: clean(&progress.note),
            ..Self::default()
        }
    }
}

impl From<&backup::Job> for Step {
    fn from(job: &backup::Job) -> Self {
        match job.state() {
            JobState::Requested => Self::waiting(job.attempts, &job.error),
            _ => Self::moving(&job.transfer.clone().unwrap_or_default()),
        }
    }
}

impl From<&Run> for Step {
    fn from(run: &Run) -> Self {
        if run.state() == JobState::Requested {
            return Self::waiting(run.attempts, &run.error);
        }
        let progress = run.progress.clone().unwrap_or_default();
        match transfer(&progress.note) {
            Some(transfer) => Self::moving(&transfer),
            None => Self {
                phase: "running".to_owned(),
                done: progress.done,
                total: progress.total,
                note: clean(&progress.note),
                ..Self::default()
            },
        }
    }
}

/// Whoever moves bytes says so in the note, as JSON.
fn transfer(note: &str) -> Option<backup::Transfer> {
    let said: Json = serde_json::from_str(note).ok()?;
    let number = |name: &str| said.get(name).and_then(Json::as_u64).unwrap_or_default();
    Some(backup::Transfer {
        phase: said.get("phase")?.as_str()?.to_owned(),
        done_bytes: number("done_bytes"),
        total_bytes: number("total_bytes"),
        moved_bytes: number("moved_bytes"),
        bytes_per_second: number("bytes_per_second"),
        remaining_ms: number("remaining_ms"),
        throttled: said.get("throttled").and_then(Json::as_bool).unwrap_or_default(),
    })
}

/// One line for a terminal of this width, which it never fills; by hand, as indicatif fills it with spaces.
fn bar(step: &Step, lasts: Duration, width: usize) -> String {
    let room = width.saturating_sub(FREE);
    let mut line = cut(&format!("{:<10}", step.phase), room);
    let bar = step.part().map(|part| {
        // Between 0 and the width.
        let full = (part * BAR_WIDTH as f64) as usize;
        let head = if full < BAR_WIDTH { ">" } else { "" };
        let rest = " ".repeat(BAR_WIDTH.saturating_sub(full + head.len()));
        format!("[{}{head}{rest}] {:>3.0} %", "=".repeat(full), (part * 100.0).floor())
    });
    let whole = bar.into_iter().chain(step.words(lasts));
    for (number, word) in whole.enumerate() {
        let gap = if number == 0 { " " } else { "  " };
        let left = room.saturating_sub(columns(&line) + gap.len());
        if columns(&word) > left && left < 8 {
            break;
        }
        line = format!("{line}{gap}{}", cut(&word, left));
    }
    line
}

/// The same for whoever reads it later.
fn plain(step: &Step, lasts: Duration) -> String {
    let percent = step.part().map(|part| format!("{:.0} %, ", (part * 100.0).floor()));
    format!(
        "{}: {}{}",
        step.phase,
        percent.unwrap_or_default(),
        step.words(lasts).join(", ")
    )
}

enum Shown {
    /// Not at all.
    Nowhere,
    /// On this line, so far.
    Bar(String),
    Lines {
        phase: String,
        at: Option<Instant>,
    },
}

/// Shows how far work is, until it is dropped.
pub(super) struct Progress {
    shown: Shown,
    pace: Pace,
    phase: String,
    begun: Instant,
    last: Step,
}

impl Progress {
    pub(super) fn new(is_wanted: bool) -> Self {
        Self {
            shown: Shown::new(is_wanted),
            pace: Pace::default(),
            phase: String::new(),
            begun: Instant::now(),
            last: Step::default(),
        }
    }

    pub(super) fn show(&mut self, step: impl Into<Step>) {
        self.last = self.with_pace(step.into());
        self.show_again();
    }

    /// Nothing new was heard, and time goes on.
    pub(super) fn show_again(&mut self) {
        let (step, lasts) = (&self.last, self.begun.elapsed());
        match &mut self.shown {
            Shown::Nowhere => {}
            Shown::Bar(drawn) => {
                let width = crossterm::terminal::size().ok().map(|(width, _)| width);
                let width = width.filter(|width| *width > 0).unwrap_or(WIDTH);
                let line = bar(step, lasts, width.into());
                if *drawn != line {
                    write(&format!("\r{line}{CLEAR_REST}"));
                    *drawn = line;
                }
            }
            Shown::Lines { phase, at } => {
                if *phase == step.phase && at.is_some_and(|at| at.elapsed() < LINE_EVERY) {
                    return;
                }
                *at = Some(Instant::now());
                phase.clone_from(&step.phase);
                write(&format!("{}\n", plain(step, lasts)));
            }
        }
    }

    fn with_pace(&mut self, mut step: Step) -> Step {
        if self.phase != step.phase {
            self.phase.clone_from(&step.phase);
            (self.pace, self.begun) = (Pace::default(), Instant::now());
        }
        if !step.is_bytes {
            self.pace.note(self.begun.elapsed(), step.done);
            step.per_second = self.pace.per_second();
            step.left = self.pace.left(step.total);
        }
        step
    }
}

impl Shown {
    fn new(is_wanted: bool) -> Self {
        if !is_wanted {
            return Self::Nowhere;
        }
        if !std::io::stderr().is_terminal() || !terminals_obey() {
            return Self::Lines {
                phase: String::new(),
                at: None,
            };
        }
        Self::Bar(String::new())
    }
}

/// Whoever does not read it misses nothing that is not said again in the end.
fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _unread = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Shown::Bar(_) = &self.shown {
            write(&format!("\r{CLEAR_REST}"));
        }
    }
}

/// How long a service may be away while a job of it is waited for: one that is started anew is back by then.
pub(super) const BACK_WITHIN: Duration = Duration::from_secs(60);

/// Whether a service that says so may be back soon.
pub(super) const fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::Cancelled | Code::Unknown | Code::ResourceExhausted
    )
}

/// Waits for a job. Who breaks that off is told that the job goes on, how to wait for it again, and how to stop it.
pub(super) async fn waited<T>(
    waiting: impl Future<Output = Result<T, Failure>>,
    project: &str,
    id: &str,
) -> Result<T, Failure> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let signal = tokio::select! {
        ended = waiting => return ended,
        _ = int.recv() => SIGINT,
        _ = term.recv() => SIGTERM,
    };
    let project = if project.is_empty() {
        String::new()
    } else {
        format!(" --project {project}")
    };
    let text = format!(
        "job {id} goes on: `weir jobs{project} wait {id}` waits for it again, `weir jobs{project} cancel {id}` stops it"
    );
    Err(BrokenOff { text, signal }.into())
}

#[cfg(test)]
mod tests {
    use weir_proto::common::v1 as common;

    use super::*;

    const NONE: Duration = Duration::from_secs(12);

    fn copying() -> backup::Transfer {
        backup::Transfer {
            phase: "copy".to_owned(),
            done_bytes: 512 << 20,
            total_bytes: 1 << 30,
            bytes_per_second: 64 << 20,
            remaining_ms: 8_000,
            throttled: true,
            ..backup::Transfer::default()
        }
    }

    fn job(state: JobState, transfer: Option<backup::Transfer>) -> backup::Job {
        backup::Job {
            state: state.into(),
            transfer,
            ..backup::Job::default()
        }
    }

    #[test]
    fn a_line_has_what_is_known_and_nothing_else() {
        let step = Step::from(&job(JobState::Running, Some(copying())));
        assert_eq!(
            plain(&step, NONE),
            "copy: 50 %, 512.0 MB of 1.0 GB, 64.0 MB/s, 8.0 s left, held back for the users"
        );
        assert_eq!(
            plain(&Step::from(&job(JobState::Running, None)), NONE),
            "running: for 12 s"
        );
        let mut waits = job(JobState::Requested, None);
        assert_eq!(plain(&Step::from(&waits), NONE), "requested: no worker has begun yet");
        (waits.attempts, waits.error) = (1, "the store\nis \u{1b}away".to_owned());
        assert_eq!(
            plain(&Step::from(&waits), NONE),
            "waiting: to be tried again: the store is \u{FFFD}away"
        );
    }

    #[test]
    fn a_run_tells_the_same_as_its_job() {
        let note = r#"{"phase":"copy","done_bytes":536870912,"total_bytes":1073741824,"bytes_per_second":67108864,"remaining_ms":8000,"throttled":true}"#;
        let run = |note: &str| Run {
            state: JobState::Running.into(),
            progress: Some(common::Progress {
                done: 3,
                total: 12,
                note: note.to_owned(),
            }),
            ..Run::default()
        };
        assert_eq!(
            Step::from(&run(note)),
            Step::from(&job(JobState::Running, Some(copying())))
        );
        let upkeep = Step::from(&run("vacuum public.orders"));
        assert_eq!(plain(&upkeep, NONE), "running: 25 %, 3 of 12, vacuum public.orders");
    }

    #[test]
    fn a_bar_never_fills_the_line() {
        let step = Step::from(&job(JobState::Running, Some(copying())));
        assert_eq!(
            bar(&step, NONE, 80),
            "copy       [======>     ]  50 %  512.0 MB of 1.0 GB  64.0 MB/s  8.0 s left"
        );
        let wide = Step {
            note: "vacuum 日本語の表の名前 日本語の表の名前 日本語の表の名前".to_owned(),
            phase: "日本語の表の名前の相".to_owned(),
            ..step
        };
        for width in 0..200 {
            for step in [&step, &wide, &Step::default()] {
                let line = bar(step, NONE, width);
                assert!(columns(&line) <= width.saturating_sub(FREE), "{width}: {line}");
            }
        }
        let whole = Step {
            done: 5,
            total: 5,
            ..Step::default()
        };
        assert!(bar(&whole, NONE, 80).contains("[============] 100 %"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_of_pieces_is_found_out() {
        let mut progress = Progress::new(false);
        let step = |done| Step {
            phase: "running".to_owned(),
            done,
            total: 12,
            ..Step::default()
        };
        progress.with_pace(step(0));
        tokio::time::advance(Duration::from_secs(10)).await;
        let told = progress.with_pace(step(4));
        assert_eq!(plain(&told, NONE), "running: 33 %, 4 of 12, 24.0/min, 20 s left");
    }
}
