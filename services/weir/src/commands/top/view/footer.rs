//! The last line: what is being typed or asked, what was said, or the keys. Pure.

use ratatui::text::Line;

use super::super::state::{Mode, State};
use super::paint::Paint;
use crate::terminal::Tone;
use crate::text::{clean, cut};

const KEYS: [&str; 10] = [
    "q quit",
    "? help",
    "1-5 pane",
    "↑↓ move",
    "⏎ closer",
    "s sort",
    "/ filter",
    "p project",
    "space pause",
    "x end session",
];

pub(super) fn line(state: &State, width: usize, paint: Paint) -> Line<'static> {
    let (text, tone) = words(state, width);
    Line::styled(cut(&text, width), paint.style(tone))
}

fn words(state: &State, width: usize) -> (String, Tone) {
    match &state.mode {
        Mode::Filtering => return (format!("/{}▏ enter keeps it, esc drops it", state.filter), Tone::Strong),
        Mode::Choosing(typed) => return (format!("project: {}▏ enter takes it", clean(typed)), Tone::Strong),
        Mode::Ending { client, who } => {
            let text = format!("end client {client}? y: yes, other keys: no ({who})");
            return (text, Tone::Warning);
        }
        Mode::Looking | Mode::Closer(_) | Mode::Help(_) => {}
    }
    match &state.note {
        Some(note) if note.until_ms > state.now_ms => {
            (note.text.clone(), if note.is_bad { Tone::Bad } else { Tone::Strong })
        }
        _ => (keys(state, width), Tone::Dim),
    }
}

fn keys(state: &State, width: usize) -> String {
    if matches!(state.mode, Mode::Closer(_) | Mode::Help(_)) {
        return "esc back  ↑↓ scroll  q quit".to_owned();
    }
    let mut text = String::new();
    for key in KEYS {
        let longer = if text.is_empty() {
            key.to_owned()
        } else {
            format!("{text}  {key}")
        };
        if crate::text::columns(&longer) > width {
            break;
        }
        text = longer;
    }
    text
}
