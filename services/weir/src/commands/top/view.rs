//! The picture of a state. Pure: the same state gives the same picture, whatever the terminal did before.

mod closer;
mod footer;
mod header;
mod help;
mod paint;
mod rows;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use self::paint::Paint;
use super::state::{Mode, Pane, State, Topic};
use super::table::Table;
use super::units::time_of_day;
use crate::terminal::Tone;
use crate::text::{cut, wrapped};

/// Below this it says so, and shows nothing else.
const WIDTH_MIN: u16 = 40;
const HEIGHT_MIN: u16 = 10;

/// Draws the whole picture.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, has_colours: bool) {
    let paint = Paint(has_colours);
    let area = frame.area();
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        let text = format!(
            "weir top needs {WIDTH_MIN} columns and {HEIGHT_MIN} lines; here are {} and {}. q quits",
            area.width, area.height
        );
        let lines = wrapped(&text, area.width.into());
        return put(frame, area, lines.into_iter().map(Line::from).collect());
    }
    let mut head = header::lines(state, area, paint);
    let table = state.table();
    head.push(tabs(state, &table, area.width.into(), paint));
    let head_height = u16::try_from(head.len()).unwrap_or(area.height).min(area.height - 1);
    put(
        frame,
        Rect {
            height: head_height,
            ..area
        },
        head,
    );
    let footer = Rect {
        y: area.bottom() - 1,
        height: 1,
        ..area
    };
    put(frame, footer, vec![footer::line(state, area.width.into(), paint)]);
    let body = Rect {
        y: area.y + head_height,
        height: area.height - head_height - 1,
        ..area
    };
    match state.mode {
        Mode::Help(from) => put(frame, body, help::lines(body, from)),
        Mode::Closer(from) => put(frame, body, closer::lines(state, body, from, paint)),
        _ => pane(frame, state, &table, body, paint),
    }
}

/// Nobody scrolls further than there is something to read.
pub(super) fn settle(state: &mut State, area: Rect) {
    let paint = Paint(false);
    let head = header::lines(state, area, paint).len() + 1;
    let body = Rect {
        height: area.height.saturating_sub(u16::try_from(head + 1).unwrap_or(u16::MAX)),
        ..area
    };
    let most = match state.mode {
        Mode::Closer(_) => closer::most_from(state, body, paint),
        _ => help::most_from(body),
    };
    if let Mode::Closer(from) | Mode::Help(from) = &mut state.mode {
        *from = most.min(*from);
    }
}

/// What stands at the head, for whoever has no terminal.
pub(super) fn head_as_text(state: &State) -> Vec<String> {
    let area = Rect::new(0, 0, 120, 40);
    let lines = header::lines(state, area, Paint(false));
    lines
        .iter()
        .map(|line| line.to_string().trim_end().to_owned())
        .collect()
}

/// Lines one below the other, as many as there is room for.
fn put(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'_>>) {
    for (line, y) in lines.into_iter().zip(area.top()..area.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

fn tabs(state: &State, table: &Table, width: usize, paint: Paint) -> Line<'static> {
    let mut line = Line::default();
    for (number, pane) in Pane::ALL.into_iter().enumerate() {
        let text = if width < 60 {
            format!("{}{} ", number + 1, pane.name())
        } else {
            format!(" {} {} ", number + 1, pane.name())
        };
        let style = if pane == state.pane {
            paint.chosen()
        } else {
            paint.style(Tone::Dim)
        };
        line.push_span(Span::styled(text, style));
    }
    let left = width.saturating_sub(line.width());
    let count = match state.filter.as_str() {
        "" => format!("  {} rows", table.rows.len()),
        filter => format!("  {} rows with /{filter}", table.rows.len()),
    };
    line.push_span(Span::styled(cut(&count, left), paint.style(Tone::Plain)));
    line
}

fn pane(frame: &mut Frame<'_>, state: &State, table: &Table, area: Rect, paint: Paint) {
    let mut lines = troubles(state, area.width.into(), paint);
    if table.rows.is_empty() {
        if lines.is_empty() {
            lines.push(Line::from(nothing(state)));
        }
        return put(frame, area, lines);
    }
    lines.truncate(usize::from(area.height).saturating_sub(3));
    let room = usize::from(area.height) - lines.len();
    lines.extend(rows::lines(state, table, area.width.into(), room, paint));
    put(frame, area, lines);
}

/// What of this pane is not known, or no longer, and why.
fn troubles(state: &State, width: usize, paint: Paint) -> Vec<Line<'static>> {
    let trouble = |topic: &Topic| {
        let standing = state.standings.get(topic)?;
        let away = standing.away.as_ref()?;
        let since = time_of_day(away.since_ms);
        let kept = standing
            .heard_ms
            .map(|ms| format!("; what is shown is of {}", time_of_day(ms)));
        Some(format!(
            "{} since {since}: {}{}",
            topic.service(),
            away.why,
            kept.unwrap_or_default()
        ))
    };
    let mut texts: Vec<String> = state.pane.topics().iter().filter_map(trouble).collect();
    texts.dedup();
    if state.pane == Pane::Queries && !state.known.missing.is_empty() {
        texts.push(format!("figures are missing: {}", state.known.missing));
    }
    let line = |text: String| Line::styled(cut(&text, width), paint.style(Tone::Bad));
    texts.into_iter().map(line).collect()
}

fn nothing(state: &State) -> &'static str {
    let is_heard = |topic: &Topic| {
        state
            .standings
            .get(topic)
            .is_some_and(|standing| standing.heard_ms.is_some())
    };
    if !state.pane.topics().iter().any(is_heard) {
        return "not answered yet";
    }
    if !state.filter.is_empty() {
        return "nothing fits the filter";
    }
    match state.pane {
        Pane::Queries => "no statement of this project ran in the last minutes",
        Pane::Sessions => "no session is in a transaction or waits; i shows idle clients too",
        Pane::Pools => "nobody has used a pool yet",
        Pane::Jobs => "no jobs yet",
        Pane::Alerts => "no alerts",
    }
}

#[cfg(test)]
mod tests;
