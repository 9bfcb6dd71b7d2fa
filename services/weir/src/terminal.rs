//! What people see: tables and lines on standard output, or JSON for programs.

use std::io::{ErrorKind, Write as _};

use comfy_table::{Cell, CellAlignment, Table, presets};

/// Why a command failed; its text is one line.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

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

/// A table that is built column by column.
pub(crate) struct Listing {
    table: Table,
    empty: &'static str,
    rows: usize,
}

impl Listing {
    /// A table with these headings; `empty` is said instead of a table without rows.
    pub(crate) fn new(headings: &[&str], empty: &'static str) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(headings);
        Self { table, empty, rows: 0 }
    }

    /// Adds a row. What looks like a number is set to the right.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows += 1;
        self.table.add_row(cells.into_iter().map(|text| {
            let number = text.starts_with(|first: char| first.is_ascii_digit()) && !text.contains(':');
            let alignment = if number {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            };
            Cell::new(text).set_alignment(alignment)
        }));
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
