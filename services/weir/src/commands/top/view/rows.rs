//! Rows below their headings: which columns there is room for, and how wide each is. Pure.

use ratatui::text::{Line, Span};

use super::super::state::State;
use super::super::table::{Cell, Column, Row, Table};
use super::paint::Paint;
use crate::terminal::Tone;
use crate::text::{columns, cut};

/// Between two columns.
const GAP: usize = 1;
/// Words are not cut shorter than this to make room.
const WORDS_MIN: usize = 6;

/// The headings, and as many rows as there is room for, the chosen one among them.
pub(super) fn lines(state: &State, table: &Table, width: usize, room: usize, paint: Paint) -> Vec<Line<'static>> {
    let chosen = state.chosen(&table.rows);
    let height = room.saturating_sub(1);
    let from = chosen
        .saturating_sub(height / 2)
        .min(table.rows.len().saturating_sub(height));
    let shown: Vec<(usize, &Row)> = table.rows.iter().enumerate().skip(from).take(height).collect();
    let titles = titles(state, table);
    let sorted_by = state.place().map(|place| place.order.column);
    let plan = plan(table.columns, sorted_by, &titles, &shown, width);
    let mut lines = vec![heading(&plan, &titles, table.columns, paint)];
    lines.extend(
        shown
            .iter()
            .map(|(index, row)| drawn(&plan, row, table.columns, *index == chosen, width, paint)),
    );
    lines
}

fn titles(state: &State, table: &Table) -> Vec<String> {
    let order = state.place().map(|place| place.order);
    let title = |(index, column): (usize, &Column)| match order {
        Some(order) if order.column == index && order.is_reversed => format!("{}▲", column.title),
        Some(order) if order.column == index => format!("{}▼", column.title),
        _ => column.title.to_owned(),
    };
    table.columns.iter().enumerate().map(title).collect()
}

/// A column that is shown, and its width.
type Planned = (usize, usize);

fn plan(
    all: &[Column],
    sorted_by: Option<usize>,
    titles: &[String],
    shown: &[(usize, &Row)],
    width: usize,
) -> Vec<Planned> {
    let mut plan: Vec<Planned> = (0..all.len())
        .map(|index| (index, natural(index, all, titles, shown)))
        .collect();
    while takes(&plan) > width {
        // What rows are sorted by has to be seen.
        let others = |index: &usize| sorted_by != Some(*index);
        let rank = |(index, _): &Planned| {
            all.get(*index)
                .filter(|_| others(index))
                .map_or(0, |column| column.rank)
        };
        let Some(worst) = plan
            .iter()
            .max_by_key(|planned| rank(planned))
            .filter(|planned| rank(planned) > 0)
        else {
            break;
        };
        let worst = worst.0;
        plan.retain(|(index, _)| *index != worst);
    }
    shrink(&mut plan, all, width);
    let rest = width.saturating_sub(takes(&plan));
    if let Some((_, last)) = plan.last_mut() {
        *last += rest;
    }
    plan
}

/// Words give way where nothing can be left out any more.
fn shrink(plan: &mut [Planned], all: &[Column], width: usize) {
    while takes(plan) > width {
        let is_words = |index: usize| all.get(index).is_some_and(|column| !column.is_right);
        let widest = plan
            .iter_mut()
            .filter(|(index, wide)| is_words(*index) && *wide > WORDS_MIN);
        match widest.max_by_key(|(_, wide)| *wide) {
            Some((_, wide)) => *wide -= 1,
            None => return,
        }
    }
}

fn takes(plan: &[Planned]) -> usize {
    plan.iter()
        .map(|(_, wide)| wide + GAP)
        .sum::<usize>()
        .saturating_sub(GAP)
}

fn natural(index: usize, all: &[Column], titles: &[String], shown: &[(usize, &Row)]) -> usize {
    let Some(column) = all.get(index) else { return 0 };
    if let Some(least) = column.rest {
        return least;
    }
    let cells = shown.iter().filter_map(|(_, row)| row.cells.get(index));
    let widest = cells
        .map(|cell| columns(&cell.text))
        .max()
        .unwrap_or(0)
        .min(column.most);
    widest.max(titles.get(index).map_or(0, |title| columns(title)))
}

fn heading(plan: &[Planned], titles: &[String], all: &[Column], paint: Paint) -> Line<'static> {
    let cells = plan.iter().map(|(index, wide)| {
        let title = titles.get(*index).map_or("", String::as_str);
        padded(title, *wide, all.get(*index).is_some_and(|column| column.is_right))
    });
    Line::styled(cells.collect::<Vec<_>>().join(" "), paint.style(Tone::Strong))
}

fn drawn(plan: &[Planned], row: &Row, all: &[Column], is_chosen: bool, width: usize, paint: Paint) -> Line<'static> {
    let mut line = Line::default();
    for (place, (index, wide)) in plan.iter().enumerate() {
        let Some(Cell { text, tone, .. }) = row.cells.get(*index) else {
            continue;
        };
        if place > 0 {
            line.push_span(Span::raw(" "));
        }
        let is_right = all.get(*index).is_some_and(|column| column.is_right);
        line.push_span(Span::styled(padded(text, *wide, is_right), paint.style(*tone)));
    }
    if is_chosen {
        let rest = width.saturating_sub(line.width());
        line.push_span(Span::raw(" ".repeat(rest)));
        line = line.patch_style(paint.chosen());
    }
    line
}

fn padded(text: &str, wide: usize, is_right: bool) -> String {
    let text = cut(text, wide);
    let space = " ".repeat(wide.saturating_sub(columns(&text)));
    if is_right {
        format!("{space}{text}")
    } else {
        format!("{text}{space}")
    }
}
