//! The terminal while the view has it: taken, given back whatever happens, lent to the shell, taken again.

use std::io::{self, Stdout, Write as _};
use std::sync::Once;

use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{
    DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};
use rustix::process::{Signal, getpgrp, kill_process_group};

use super::state::State;
use super::view;

/// Holds the terminal; dropping it gives the terminal back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    has_colours: bool,
}

impl Screen {
    pub(super) fn take(has_colours: bool) -> io::Result<Self> {
        give_back_before_a_panic_speaks();
        // From here on, dropping it gives back whatever was taken.
        let mut screen = Self {
            terminal: Terminal::new(CrosstermBackend::new(io::stdout()))?,
            has_colours,
        };
        screen.take_again()?;
        Ok(screen)
    }

    /// Takes it again after the shell had it, with nothing of ours left on it.
    pub(super) fn take_again(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, DisableLineWrap, Hide)?;
        self.clear()
    }

    /// Everything is drawn anew. The terminal is not asked where its cursor is, as `Terminal::clear` does: not every one
    /// answers, and the answer would come among the keys.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }

    pub(super) fn draw(&mut self, state: &mut State) -> io::Result<()> {
        let size = self.terminal.size()?;
        view::settle(state, Rect::from((Position::ORIGIN, size)));
        self.terminal.draw(|frame| view::draw(frame, state, self.has_colours))?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Leaves the terminal as it was found. Where that fails, the terminal is gone, and nobody is there to be told.
fn give_back() {
    let _gone = execute!(io::stdout(), Show, EnableLineWrap, LeaveAlternateScreen);
    let _gone = disable_raw_mode();
    let _gone = io::stdout().flush();
}

/// A panic's words would be lost with the screen that they are written on.
fn give_back_before_a_panic_speaks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let speak = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            speak(panic);
        }));
    });
}

/// Gives the terminal back and stops, as ctrl-z does to programs that leave it to the terminal. A process that no shell
/// looks after is not stopped by it, as nobody could make it go on.
pub(super) fn suspend() -> io::Result<()> {
    give_back();
    kill_process_group(getpgrp(), Signal::TSTP)?;
    Ok(())
}
