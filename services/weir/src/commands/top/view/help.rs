//! The keys. Pure.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::text::cut;

const TEXT: [&str; 24] = [
    "1-5, tab     queries, sessions, pools,",
    "             jobs, alerts",
    "↑ ↓, j k     another row",
    "page, home   further",
    "enter        look closer at the row",
    "s S, < >     sort by another column",
    "r            reverse the order",
    "/            only rows with a text",
    "esc          all rows again",
    "p            look at another project",
    "i            sessions: idle clients, too",
    "x            sessions: end a client of",
    "             the gateway; asks first",
    "space        pause, go on",
    "+ -          ask less often, more often",
    "u            ask now",
    "ctrl-l       draw all anew",
    "ctrl-z       suspend; fg goes on",
    "q, ctrl-c    quit",
    "",
    "TIME/S is the time that a statement's",
    "calls took together in each second; rates",
    "are of the time between two looks, P95 is",
    "of the last two minutes at most.",
];

pub(super) fn lines(area: Rect, from: usize) -> Vec<Line<'static>> {
    let from = from.min(most_from(area));
    let wanted = TEXT.iter().skip(from);
    wanted.map(|text| Line::from(cut(text, area.width.into()))).collect()
}

/// The furthest that one can scroll.
pub(super) const fn most_from(area: Rect) -> usize {
    TEXT.len().saturating_sub(area.height as usize)
}
