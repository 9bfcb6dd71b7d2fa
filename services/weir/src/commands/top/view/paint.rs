//! How tones look: in the sixteen colours that every terminal has, or, without colours, by weight alone. Pure.

use ratatui::style::{Color, Modifier, Style};

use crate::terminal::Tone;

/// Whether there are colours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    pub(super) fn style(self, tone: Tone) -> Style {
        let style = Style::new();
        let colour = match tone {
            Tone::Plain => return style,
            Tone::Dim => return style.add_modifier(Modifier::DIM),
            Tone::Strong => return style.add_modifier(Modifier::BOLD),
            Tone::Good => Color::Green,
            Tone::Warning => Color::Yellow,
            Tone::Bad => Color::Red,
        };
        match (self.0, tone) {
            (true, _) => style.fg(colour),
            (false, Tone::Good) => style,
            (false, _) => style.add_modifier(Modifier::BOLD),
        }
    }

    /// What one is at.
    pub(super) const fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
