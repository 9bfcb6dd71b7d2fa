//! All that is known of one row. Pure.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::super::state::State;
use super::paint::Paint;
use crate::terminal::Tone;
use crate::text::{columns, wrapped};

const NAME_WIDTH: usize = 24;

pub(super) fn lines(state: &State, area: Rect, from: usize, paint: Paint) -> Vec<Line<'static>> {
    let lines = all(state, area, paint);
    let from = from.min(lines.len().saturating_sub(area.height.into()));
    lines.into_iter().skip(from).collect()
}

/// The furthest that one can scroll.
pub(super) fn most_from(state: &State, area: Rect, paint: Paint) -> usize {
    all(state, area, paint).len().saturating_sub(area.height.into())
}

fn all(state: &State, area: Rect, paint: Paint) -> Vec<Line<'static>> {
    let table = state.table();
    let Some(row) = table.rows.get(state.chosen(&table.rows)) else {
        return vec![Line::from("it is not there any more")];
    };
    let cells = row.cells.iter().zip(table.columns);
    let told = cells.map(|(cell, column)| (column.title.to_lowercase(), cell.text.trim()));
    let mut told: Vec<(String, &str)> = told.collect();
    // The longest comes last.
    let last = told.pop();
    let details = row
        .details
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_str()));
    told.extend(details.chain(last));
    let told = told.into_iter().filter(|(_, text)| !text.is_empty() && *text != "-");
    let width = usize::from(area.width);
    told.flat_map(|(name, text)| item(&name, text, width, paint)).collect()
}

fn item(name: &str, text: &str, width: usize, paint: Paint) -> Vec<Line<'static>> {
    let indent = NAME_WIDTH.min(width / 3);
    let label = format!("{name:<indent$} ");
    if columns(&label) + columns(text) <= width {
        return vec![Line::from(format!("{label}{text}"))];
    }
    let head = Line::styled(name.to_owned(), paint.style(Tone::Dim));
    let body = wrapped(text, width.saturating_sub(2))
        .into_iter()
        .map(|line| Line::from(format!("  {line}")));
    std::iter::once(head).chain(body).collect()
}
