//! What people see: tables and lines on standard output, or JSON for programs. Colours only where they are wanted.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use clap::ValueEnum;
use comfy_table::{Cell, CellAlignment, Color, Table, presets};
use weir_config::Sources;

use crate::text::harmless;

/// Why a command failed; its text is one line.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Waiting was broken off by a signal; the work goes on. The exit status is 128 and the signal's number, as a shell has it.
#[derive(Debug)]
pub(crate) struct BrokenOff {
    /// One line.
    pub(crate) text: String,
    pub(crate) signal: u8,
}

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl std::error::Error for BrokenOff {}

/// Whether there are colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colours {
    /// On a terminal that has them, unless `NO_COLOR` is set.
    #[default]
    Auto,
    Always,
    Never,
}

static COLOURS: OnceLock<bool> = OnceLock::new();
static MOVES: OnceLock<bool> = OnceLock::new();

impl Colours {
    /// Settles it for this process.
    pub(crate) fn settle(self, sources: &Sources) {
        let wants_none = sources.variable("NO_COLOR").is_some();
        let terminal = sources.variable("TERM").filter(|_| std::io::stdout().is_terminal());
        let _first = COLOURS.set(self.are_wanted(wants_none, terminal));
        let _first = MOVES.set(sources.variable("TERM").is_some_and(|name| name != "dumb"));
    }

    fn are_wanted(self, wants_none: bool, terminal: Option<&str>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => !wants_none && terminal.is_some_and(has_colours_by_name),
        }
    }
}

/// By the name that terminals have in `TERM`. Those without colours are few, old, and named so.
fn has_colours_by_name(terminal: &str) -> bool {
    let is_old = ["dumb", "vt1", "vt2", "vt3", "ansi-m"]
        .iter()
        .any(|start| terminal.starts_with(start));
    !is_old && !["-m", "-mono"].iter().any(|end| terminal.ends_with(end))
}

/// Whether there are colours, as it was settled.
pub(crate) fn has_colours() -> bool {
    COLOURS.get().copied().unwrap_or(false)
}

/// Whether a terminal, where there is one, obeys: lines are written over, the cursor moves.
pub(crate) fn terminals_obey() -> bool {
    MOVES.get().copied().unwrap_or(false)
}

/// How a word is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Dim,
    Strong,
    Good,
    Warning,
    Bad,
}

impl Tone {
    /// What a word of a state, a severity or an outcome is.
    pub(crate) fn of(text: &str) -> Self {
        if text.starts_with("not ready") {
            return Self::Bad;
        }
        match text.split([' ', ',', ':']).next().unwrap_or_default() {
            "ready" | "succeeded" | "proven" | "usable" | "resolved" | "following" | "closed" | "done" | "yes"
            | "accepted" => Self::Good,
            "firing" | "critical" | "failed" | "unreachable" | "away" | "lost" | "open" | "no" | "broken" => Self::Bad,
            "warning" | "pending" | "paused" | "cancelled" | "inconclusive" | "half-open" | "unproven" | "waiting"
            | "flapping" => Self::Warning,
            _ => Self::Plain,
        }
    }

    const fn colour(self) -> Option<Color> {
        match self {
            Self::Good => Some(Color::DarkGreen),
            Self::Warning => Some(Color::DarkYellow),
            Self::Bad => Some(Color::DarkRed),
            Self::Plain | Self::Dim | Self::Strong => None,
        }
    }
}

/// Columns whose words have a tone.
const TONED: [&str; 5] = ["STATE", "SEVERITY", "OUTCOME", "BREAKER", "PASSED"];

/// Writes a line. A reader that has gone away (`weir queries | head`) is no failure.
pub(crate) fn say(line: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes a value as JSON.
pub(crate) fn say_json(value: &serde_json::Value) -> Result<(), Failure> {
    say(&serde_json::to_string_pretty(value)?)
}

/// Says what became of something that has no more to show, such as `ID is paused`.
pub(crate) fn say_done(id: &str, done: &str, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&serde_json::json!({ "id": id, "done": done }));
    }
    say(&format!("{id} {done}"))
}

/// A table that is built column by column.
pub(crate) struct Listing {
    table: Table,
    /// Of each column, whether its words have a tone.
    toned: Vec<bool>,
    empty: &'static str,
    rows: usize,
}

impl Listing {
    /// A table with these headings; `empty` is said instead of a table without rows.
    pub(crate) fn new(headings: &[&str], empty: &'static str) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(headings);
        if has_colours() {
            table.enforce_styling();
        }
        let toned = headings
            .iter()
            .map(|heading| has_colours() && TONED.contains(heading))
            .collect();
        Self {
            table,
            toned,
            empty,
            rows: 0,
        }
    }

    /// Adds a row. What looks like a number is set to the right.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows += 1;
        let toned = self.toned.iter().copied().chain(std::iter::repeat(false));
        let cells = cells.into_iter().zip(toned);
        let cells: Vec<Cell> = cells.map(|(text, is_toned)| cell(&text, is_toned)).collect();
        self.table.add_row(cells);
    }

    /// Writes the table.
    pub(crate) fn say(self) -> Result<(), Failure> {
        if self.rows == 0 {
            say(self.empty)
        } else {
            say(&self.table.to_string())
        }
    }
}

fn cell(text: &str, is_toned: bool) -> Cell {
    let number = text.starts_with(|first: char| first.is_ascii_digit()) && !text.contains(':');
    let alignment = if number {
        CellAlignment::Right
    } else {
        CellAlignment::Left
    };
    let cell = Cell::new(harmless(text)).set_alignment(alignment);
    match Tone::of(text).colour().filter(|_| is_toned) {
        Some(colour) => cell.fg(colour),
        None => cell,
    }
}

/// Milliseconds with the digits that matter.
pub(crate) fn milliseconds(value: f64) -> String {
    match value {
        _ if value >= 100.0 => format!("{value:.0} ms"),
        _ if value >= 1.0 => format!("{value:.1} ms"),
        _ => format!("{value:.3} ms"),
    }
}

/// A moment in milliseconds since 1970, in UTC; a dash for never.
pub(crate) fn moment(unix_ms: i64) -> String {
    let moment = chrono::DateTime::<chrono::Utc>::from_timestamp_millis(unix_ms);
    match moment {
        Some(moment) if unix_ms != 0 => moment.format("%Y-%m-%d %H:%M:%SZ").to_string(),
        _ => "-".to_owned(),
    }
}

/// The beginning of a text, on one line.
pub(crate) fn shortened(text: &str, characters: usize) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= characters {
        return line;
    }
    line.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_have_them_and_people_who_want_them() {
        let auto = |wants_none, terminal| Colours::Auto.are_wanted(wants_none, terminal);
        assert!(auto(false, Some("xterm-256color")) && auto(false, Some("linux")) && auto(false, Some("tmux")));
        assert!(!auto(false, None) && !auto(true, Some("xterm")));
        for plain in ["dumb", "vt100", "vt220", "xterm-mono", "xterm-m"] {
            assert!(!auto(false, Some(plain)), "{plain}");
        }
        assert!(Colours::Always.are_wanted(true, None) && !Colours::Never.are_wanted(false, Some("xterm")));
    }

    #[test]
    fn words_have_the_tone_that_they_have_for_people() {
        let tones = [
            "ready",
            "not ready",
            "failed its proof",
            "resolved 2026-01-01",
            "half-open",
            "requested",
            "",
        ];
        let expected = [
            Tone::Good,
            Tone::Bad,
            Tone::Bad,
            Tone::Good,
            Tone::Warning,
            Tone::Plain,
            Tone::Plain,
        ];
        assert_eq!(tones.map(Tone::of), expected);
        let shown = |is_toned| cell("failed", is_toned);
        assert_eq!(
            (shown(true).content(), shown(false).content()),
            ("failed".to_owned(), "failed".to_owned())
        );
        assert_ne!(shown(true), shown(false));
    }

    #[test]
    fn a_table_says_nothing_to_the_terminal() {
        let mut listing = Listing::new(&["NAME", "STATE"], "none");
        listing.row(["a\u{1b}[31m".to_owned(), "failed".to_owned()]);
        let text = listing.table.to_string();
        assert!(!text.contains('\u{1b}') && text.contains("a\u{FFFD}[31m"), "{text:?}");
    }

    #[test]
    fn figures_are_short_and_have_a_unit() {
        assert_eq!(milliseconds(0.04), "0.040 ms");
        assert_eq!(milliseconds(12.345), "12.3 ms");
        assert_eq!(milliseconds(1234.5), "1234 ms");
        assert_eq!(moment(0), "-");
        assert_eq!(moment(1_790_000_000_000), "2026-09-21 14:13:20Z");
        assert_eq!(shortened("select\n  1", 20), "select 1");
        assert_eq!(shortened("select 123456", 8), "select …");
    }
}
