//! Rows of a pane: what is in them, their order, and which of them are wanted. Pure.

use std::cmp::Ordering;

use crate::terminal::Tone;
use crate::text::clean;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) is_right: bool,
    /// Most columns of the terminal that it takes.
    pub(super) most: usize,
    /// Where there is little room, the highest go first; 0 stays.
    pub(super) rank: u8,
    /// The last column takes what is left. Where it would get less than this, others go.
    pub(super) rest: Option<usize>,
}

/// A column of words.
pub(super) const fn words(title: &'static str, most: usize, rank: u8) -> Column {
    Column {
        title,
        is_right: false,
        most,
        rank,
        rest: None,
    }
}

/// The last column of a pane.
pub(super) const fn rest(title: &'static str, least: usize) -> Column {
    Column {
        rest: Some(least),
        ..words(title, usize::MAX, 0)
    }
}

/// A column of figures.
pub(super) const fn figures(title: &'static str, rank: u8) -> Column {
    Column {
        title,
        is_right: true,
        most: 12,
        rank,
        rest: None,
    }
}

/// What stands in one column of one row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub(super) text: String,
    /// What it is sorted by, if it is a figure.
    pub(super) number: Option<f64>,
    pub(super) tone: Tone,
}

impl Cell {
    /// A text of others.
    pub(super) fn text(text: &str) -> Self {
        Self {
            text: clean(text),
            number: None,
            tone: Tone::Plain,
        }
    }

    /// A word that may be good or bad news.
    pub(super) fn word(text: &str) -> Self {
        Self {
            tone: Tone::of(text),
            ..Self::text(text)
        }
    }

    /// A figure as it is written; none is a dash.
    pub(super) fn figure(number: Option<f64>, write: impl Fn(f64) -> String) -> Self {
        Self {
            text: number.map_or_else(|| "-".to_owned(), write),
            number: Some(number.unwrap_or(f64::NEG_INFINITY)),
            tone: Tone::Plain,
        }
    }

    pub(super) fn count(number: impl Into<f64>) -> Self {
        Self::figure(Some(number.into()), |number| format!("{number:.0}"))
    }

    pub(super) fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

/// One row.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    /// What it is about, whatever its place.
    pub(super) id: String,
    pub(super) cells: Vec<Cell>,
    /// What else is known, for those who look closer.
    pub(super) details: Vec<(&'static str, String)>,
    /// It stands at the head, in the order in which it came.
    pub(super) is_fixed: bool,
}

/// A pane's rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Row>,
}

/// The order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) column: usize,
    pub(super) is_reversed: bool,
}

impl Table {
    /// Only rows in which this text stands, upper and lower case alike.
    pub(super) fn keep(&mut self, filter: &str) {
        let wanted = filter.to_lowercase();
        if !wanted.is_empty() {
            self.rows.retain(|row| row.has(&wanted));
        }
    }

    /// Figures: the greatest first; words: by the alphabet.
    pub(super) fn sort(&mut self, order: Order) {
        self.rows.sort_by(|one, other| {
            other
                .is_fixed
                .cmp(&one.is_fixed)
                .then_with(|| compare(one, other, order))
        });
    }
}

fn compare(one: &Row, other: &Row, order: Order) -> Ordering {
    if one.is_fixed || other.is_fixed {
        return Ordering::Equal;
    }
    let (Some(one), Some(other)) = (one.cells.get(order.column), other.cells.get(order.column)) else {
        return Ordering::Equal;
    };
    let natural = match (one.number, other.number) {
        (Some(one), Some(other)) => other.total_cmp(&one),
        _ => one.text.cmp(&other.text),
    };
    if order.is_reversed { natural.reverse() } else { natural }
}

impl Row {
    fn has(&self, wanted: &str) -> bool {
        let cells = self.cells.iter().map(|cell| &cell.text);
        let details = self.details.iter().map(|(_, text)| text);
        cells.chain(details).any(|text| text.to_lowercase().contains(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, number: f64, is_fixed: bool) -> Row {
        Row {
            id: id.to_owned(),
            cells: vec![Cell::text(id), Cell::count(number)],
            is_fixed,
            ..Row::default()
        }
    }

    fn ids(table: &Table) -> Vec<&str> {
        table.rows.iter().map(|row| row.id.as_str()).collect()
    }

    #[test]
    fn rows_are_ordered_by_a_column_and_fixed_ones_stay_at_the_head() {
        let rows = vec![
            row("b", 1.0, false),
            row("z", 0.0, true),
            row("a", 5.0, true),
            row("c", 7.0, false),
        ];
        let mut table = Table { columns: &[], rows };
        for (column, is_reversed, expected) in [
            (0, false, ["z", "a", "b", "c"]),
            (1, false, ["z", "a", "c", "b"]),
            (1, true, ["z", "a", "b", "c"]),
            (9, false, ["z", "a", "b", "c"]),
        ] {
            table.sort(Order { column, is_reversed });
            assert_eq!(ids(&table), expected, "{column} {is_reversed}");
        }
    }

    #[test]
    fn a_filter_looks_into_all_that_is_known() {
        let mut shop = row("shop", 1.0, false);
        shop.details = vec![("statement", "SELECT price".to_owned())];
        let mut table = Table {
            columns: &[],
            rows: vec![shop, row("bank", 2.0, false)],
        };
        table.keep("");
        assert_eq!(table.rows.len(), 2);
        table.keep("PRICE");
        assert_eq!(ids(&table), ["shop"]);
    }
}
