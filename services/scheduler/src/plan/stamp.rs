//! What a request says of the windows. Pure.
//!
//! A schedule's run is requested whether or not a window is open, and says which; its worker knows what cannot wait. An
//! operator who asks for work that needs a window, while none is open, is told so instead of being left with a run that
//! does nothing.

use super::windows::Opening;

/// What operators may ask for at any time: it is light, or overdue by its nature.
const LIGHT: [&str; 2] = ["analyze", "sweep"];

/// What the request of a run says of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stamp {
    /// When the window ends. 0: there is no such end.
    pub window_ends_unix_ms: i64,
    /// None is open.
    pub outside_window: bool,
}

/// No window is open, and the next opens then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closed {
    /// When, and its name; `None` for never.
    pub next: Option<(i64, String)>,
}

/// The stamp of a run that a schedule asks for.
pub(crate) fn of_schedule(opening: &Opening) -> Stamp {
    within(opening).unwrap_or(Stamp {
        window_ends_unix_ms: 0,
        outside_window: true,
    })
}

/// The stamp of a run that an operator asks for.
pub(crate) fn of_order(operation: &str, dry_run: bool, opening: &Opening) -> Result<Stamp, Closed> {
    if dry_run || LIGHT.contains(&operation) {
        return Ok(Stamp::default());
    }
    within(opening)
}

fn within(opening: &Opening) -> Result<Stamp, Closed> {
    match opening {
        Opening::Open { until_unix_ms } => Ok(Stamp {
            window_ends_unix_ms: until_unix_ms.unwrap_or_default(),
            outside_window: false,
        }),
        Opening::Closed { next } => Err(Closed { next: next.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(window_ends_unix_ms: i64, outside_window: bool) -> Stamp {
        Stamp {
            window_ends_unix_ms,
            outside_window,
        }
    }

    #[test]
    fn schedules_are_stamped_and_operators_refused_unless_it_is_light() {
        let until = |until_unix_ms| Opening::Open { until_unix_ms };
        let next = Some((9, "night".to_owned()));
        let closed = Opening::Closed { next: next.clone() };
        assert_eq!(of_schedule(&until(Some(5))), stamp(5, false));
        assert_eq!(of_schedule(&until(None)), stamp(0, false));
        assert_eq!(of_schedule(&closed), stamp(0, true));
        assert_eq!(of_order("vacuum", false, &until(Some(5))), Ok(stamp(5, false)));
        for heavy in ["vacuum", "reindex", "reorganize", "freeze", "verify", "auto"] {
            assert_eq!(of_order(heavy, false, &closed), Err(Closed { next: next.clone() }));
            assert_eq!(of_order(heavy, true, &closed), Ok(Stamp::default()));
        }
        for light in LIGHT {
            assert_eq!(of_order(light, false, &closed), Ok(Stamp::default()));
            assert_eq!(of_order(light, false, &until(Some(5))), Ok(Stamp::default()));
        }
    }
}
