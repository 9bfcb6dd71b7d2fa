//! What keys do. Pure.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::panes::sessions::client_of;
use super::state::{INTERVALS_MS, Mode, Pane, State};
use crate::text::clean;

/// Rows that a page is.
const PAGE: isize = 10;
/// Nobody types longer names.
const TYPED_MAX: usize = 64;

/// What a key wants that the state cannot do by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    Quit,
    Suspend,
    /// Everything is drawn anew, whatever the terminal shows.
    Redraw,
    /// Everything is asked at once.
    Ask,
    /// Another project is looked at: what was asked before is not wanted any more.
    AskAnew,
    /// This client of the gateway is ended.
    End(i32),
}

impl State {
    /// Takes a key.
    pub(super) fn press(&mut self, key: KeyEvent) -> Option<Wish> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Some(Wish::Quit),
                KeyCode::Char('z') => Some(Wish::Suspend),
                KeyCode::Char('l') => Some(Wish::Redraw),
                _ => None,
            };
        }
        match self.mode.clone() {
            Mode::Looking => self.press_looking(key.code),
            Mode::Filtering => self.press_filtering(key.code),
            Mode::Choosing(typed) => self.press_choosing(key.code, typed),
            Mode::Ending { client, .. } => self.press_ending(key.code, client),
            Mode::Closer(from) => self.press_reading(key.code, from, Mode::Closer),
            Mode::Help(from) => self.press_reading(key.code, from, Mode::Help),
        }
    }

    fn press_looking(&mut self, key: KeyCode) -> Option<Wish> {
        match key {
            KeyCode::Char('q') => return Some(Wish::Quit),
            KeyCode::Char('u') => return Some(Wish::Ask),
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.mode = Mode::Help(0),
            KeyCode::Char('/') => self.mode = Mode::Filtering,
            KeyCode::Char('p') => self.mode = Mode::Choosing(String::new()),
            KeyCode::Char(' ') => return self.pause(),
            KeyCode::Char('i') => self.shows_idle = !self.shows_idle,
            KeyCode::Char('x') if self.pane == Pane::Sessions => self.ask_to_end(),
            KeyCode::Char('+' | '=') => self.pace(1),
            KeyCode::Char('-') => self.pace(-1),
            KeyCode::Enter => self.mode = Mode::Closer(0),
            KeyCode::Esc => self.filter.clear(),
            key => self.press_moving(key),
        }
        None
    }

    fn press_moving(&mut self, key: KeyCode) {
        match key {
            KeyCode::Char(digit @ '1'..='5') => self.show(digit as usize - '1' as usize),
            KeyCode::Tab | KeyCode::Right => self.show((self.pane as usize + 1) % Pane::ALL.len()),
            KeyCode::BackTab | KeyCode::Left => self.show((self.pane as usize + Pane::ALL.len() - 1) % Pane::ALL.len()),
            KeyCode::Char('j') | KeyCode::Down => self.walk(1),
            KeyCode::Char('k') | KeyCode::Up => self.walk(-1),
            KeyCode::PageDown => self.walk(PAGE),
            KeyCode::PageUp => self.walk(-PAGE),
            KeyCode::Char('g') | KeyCode::Home => self.walk(isize::MIN),
            KeyCode::Char('G') | KeyCode::End => self.walk(isize::MAX),
            KeyCode::Char('s' | '>') => self.sort_by_next(1),
            KeyCode::Char('S' | '<') => self.sort_by_next(-1),
            KeyCode::Char('r') => self.reverse(),
            _ => {}
        }
    }

    fn show(&mut self, index: usize) {
        if let Some(pane) = Pane::ALL.get(index) {
            self.pane = *pane;
        }
    }

    fn walk(&mut self, by: isize) {
        let rows = self.table().rows;
        let index = self
            .chosen(&rows)
            .saturating_add_signed(by)
            .min(rows.len().saturating_sub(1));
        let chosen = rows.get(index).map(|row| row.id.clone());
        if let Some(place) = self.place_mut() {
            (place.chosen, place.index) = (chosen, index);
        }
    }

    fn sort_by_next(&mut self, by: isize) {
        let count = self.table().columns.len();
        if let (Some(place), 1..) = (self.place_mut(), count) {
            let next = (place.order.column + count).saturating_add_signed(by);
            place.order.column = next % count;
        }
    }

    fn reverse(&mut self) {
        if let Some(place) = self.place_mut() {
            place.order.is_reversed = !place.order.is_reversed;
        }
    }

    fn pause(&mut self) -> Option<Wish> {
        self.is_paused = !self.is_paused;
        (!self.is_paused).then_some(Wish::Ask)
    }

    fn pace(&mut self, by: isize) {
        let is_it = |ms: &u64| u128::from(*ms) >= self.interval.as_millis();
        let now = INTERVALS_MS.iter().position(is_it).unwrap_or(INTERVALS_MS.len() - 1);
        let next = now.saturating_add_signed(by).min(INTERVALS_MS.len() - 1);
        if let Some(ms) = INTERVALS_MS.get(next) {
            self.interval = Duration::from_millis(*ms);
        }
    }

    fn ask_to_end(&mut self) {
        let rows = self.table().rows;
        let Some(row) = rows.get(self.chosen(&rows)) else {
            return;
        };
        match client_of(row) {
            Some((client, who)) => self.mode = Mode::Ending { client, who },
            None => self.say(
                "no client of the gateway has this session, so the gateway cannot end it",
                true,
            ),
        }
    }

    fn press_filtering(&mut self, key: KeyCode) -> Option<Wish> {
        match key {
            KeyCode::Enter => self.mode = Mode::Looking,
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = Mode::Looking;
            }
            key => typed(&mut self.filter, key),
        }
        None
    }

    fn press_choosing(&mut self, key: KeyCode, mut name: String) -> Option<Wish> {
        match key {
            KeyCode::Enter => {
                self.mode = Mode::Looking;
                self.choose_project(name.trim());
                return Some(Wish::AskAnew);
            }
            KeyCode::Esc => self.mode = Mode::Looking,
            key => {
                typed(&mut name, key);
                self.mode = Mode::Choosing(name);
            }
        }
        None
    }

    fn press_ending(&mut self, key: KeyCode, client: i32) -> Option<Wish> {
        self.mode = Mode::Looking;
        if key == KeyCode::Char('y') {
            return Some(Wish::End(client));
        }
        self.say("it was left alone", false);
        None
    }

    fn press_reading(&mut self, key: KeyCode, from: usize, mode: fn(usize) -> Mode) -> Option<Wish> {
        self.mode = match key {
            KeyCode::Char('q') if matches!(self.mode, Mode::Closer(_)) => Mode::Looking,
            KeyCode::Char('q') => return Some(Wish::Quit),
            KeyCode::Char('j') | KeyCode::Down => mode(from.saturating_add(1)),
            KeyCode::Char('k') | KeyCode::Up => mode(from.saturating_sub(1)),
            KeyCode::PageDown => mode(from.saturating_add(PAGE.unsigned_abs())),
            KeyCode::PageUp => mode(from.saturating_sub(PAGE.unsigned_abs())),
            _ => Mode::Looking,
        };
        None
    }
}

/// What was typed so far, with one more key.
fn typed(text: &mut String, key: KeyCode) {
    match key {
        KeyCode::Backspace => drop(text.pop()),
        // What does not show itself cannot be typed; a space can.
        KeyCode::Char(character) if text.chars().count() < TYPED_MAX && (character == ' ' || shows(character)) => {
            text.push(character);
        }
        _ => {}
    }
}

fn shows(character: char) -> bool {
    !character.is_control() && !clean(&character.to_string()).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State::new(String::new(), Duration::from_secs(2), 1_000)
    }

    fn press(state: &mut State, keys: &str) -> Vec<Wish> {
        let code = |key| match key {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            '\x08' => KeyCode::Backspace,
            '\t' => KeyCode::Tab,
            key => KeyCode::Char(key),
        };
        keys.chars()
            .filter_map(|key| state.press(KeyEvent::from(code(key))))
            .collect()
    }

    #[test]
    fn keys_that_mean_something_are_letters_while_one_types() {
        let mut state = state();
        assert_eq!(press(&mut state, "/q x\u{7}\u{202e}é\x08\n"), []);
        assert_eq!((state.filter.as_str(), &state.mode), ("q x", &Mode::Looking));
        press(&mut state, "\x1b");
        assert_eq!(state.filter, "");
        press(&mut state, &format!("/{}", "a".repeat(500)));
        assert_eq!(state.filter.len(), TYPED_MAX);
        press(&mut state, "\x1b");
        assert_eq!(press(&mut state, "pshop\n"), [Wish::AskAnew]);
        assert_eq!(press(&mut state, "pbank\x1b"), []);
        assert_eq!(state.project, "shop");
        let quit = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!((press(&mut state, "/"), state.press(quit)), (vec![], Some(Wish::Quit)));
    }

    #[test]
    fn only_yes_ends_a_client() {
        let ending = Mode::Ending {
            client: 7,
            who: "ann".to_owned(),
        };
        for (key, expected) in [
            ("y", vec![Wish::End(7)]),
            ("Y", vec![]),
            ("\n", vec![]),
            ("x", vec![]),
            ("q", vec![]),
        ] {
            let mut state = State {
                mode: ending.clone(),
                ..state()
            };
            assert_eq!(press(&mut state, key), expected, "{key}");
            assert_eq!(state.mode, Mode::Looking);
        }
        // Nobody is ended from another pane, nor where there is nobody.
        let mut state = state();
        assert_eq!((press(&mut state, "xy2xy"), state.mode), (vec![], Mode::Looking));
    }

    #[test]
    fn panes_paces_and_orders_go_round_and_end_where_they_end() {
        let mut state = state();
        press(&mut state, "\t\t\t\t\t\t");
        assert_eq!(state.pane, Pane::Sessions);
        press(&mut state, "1<");
        assert_eq!(state.place().map(|place| place.order.column), Some(8));
        press(&mut state, ">>r");
        assert_eq!(
            state.place().map(|place| (place.order.column, place.order.is_reversed)),
            Some((1, true))
        );
        press(&mut state, "------");
        assert_eq!(state.interval, Duration::from_millis(500));
        press(&mut state, "+++++++++");
        assert_eq!(state.interval, Duration::from_secs(60));
        assert_eq!((press(&mut state, " "), state.is_paused), (vec![], true));
        assert_eq!((press(&mut state, " "), state.is_paused), (vec![Wish::Ask], false));
    }
}
