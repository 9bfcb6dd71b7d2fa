//! What became of a change: decided by what the server has now. Pure.

/// Where a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It was begun; nobody knows yet whether the server took it.
    Applying,
    /// In force.
    Applied,
    /// In the server's file, and in force after its next restart.
    PendingRestart,
    /// Its revert was begun.
    Reverting,
    /// The old state is back.
    Reverted,
    /// Somebody changed it again.
    Superseded,
    /// It did not take place.
    Failed,
}

impl State {
    pub(crate) const ALL: [Self; 7] = [
        Self::Applying,
        Self::Applied,
        Self::PendingRestart,
        Self::Reverting,
        Self::Reverted,
        Self::Superseded,
        Self::Failed,
    ];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::PendingRestart => "pending_restart",
            Self::Reverting => "reverting",
            Self::Reverted => "reverted",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether it is in force, or on its way.
    pub(crate) const fn is_live(self) -> bool {
        matches!(
            self,
            Self::Applying | Self::Applied | Self::PendingRestart | Self::Reverting
        )
    }
}

/// What the server has now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Whether the table, or the setting, is still there.
    pub(crate) is_there: bool,
    /// The entry in the server's own file, or the option of the table; none where it is not set.
    pub(crate) entry: Option<String>,
    /// Whether the server has to be restarted for it.
    pub(crate) pending_restart: bool,
}

/// The state of a live change, from what the server has.
pub(crate) fn settle(state: State, old: Option<&str>, new: Option<&str>, seen: &Seen) -> State {
    let entry = seen.entry.as_deref();
    let (is_new, is_old) = (seen.is_there && entry == new, seen.is_there && entry == old);
    match state {
        State::Applying if is_old => State::Failed,
        State::Reverting if is_old => State::Reverted,
        State::Applying | State::Applied | State::PendingRestart | State::Reverting if is_new => {
            if seen.pending_restart {
                State::PendingRestart
            } else {
                State::Applied
            }
        }
        State::Applying | State::Applied | State::PendingRestart | State::Reverting => State::Superseded,
        ended => ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(entry: Option<&str>) -> Seen {
        Seen {
            is_there: true,
            entry: entry.map(str::to_owned),
            pending_restart: false,
        }
    }

    #[test]
    fn the_server_says_what_became_of_a_change_that_was_cut_off() {
        let settled = |state, entry| settle(state, None, Some("4GB"), &seen(entry));
        assert_eq!(settled(State::Applying, None), State::Failed);
        assert_eq!(settled(State::Applying, Some("4GB")), State::Applied);
        assert_eq!(settled(State::Applying, Some("2GB")), State::Superseded);
        assert_eq!(settled(State::Reverting, None), State::Reverted);
        assert_eq!(settled(State::Reverting, Some("4GB")), State::Applied);
        assert_eq!(settled(State::Reverting, Some("2GB")), State::Superseded);
    }

    #[test]
    fn a_change_is_in_force_for_as_long_as_nobody_changes_it() {
        let settled = |state, entry| settle(state, Some("1GB"), Some("4GB"), &seen(entry));
        assert_eq!(settled(State::Applied, Some("4GB")), State::Applied);
        assert_eq!(settled(State::Applied, Some("1GB")), State::Superseded);
        assert_eq!(settled(State::PendingRestart, Some("4GB")), State::Applied);
        assert_eq!(settled(State::Applied, None), State::Superseded);
        for ended in [State::Reverted, State::Failed, State::Superseded] {
            assert_eq!(settled(ended, Some("4GB")), ended);
        }
        let waits = Seen {
            pending_restart: true,
            ..seen(Some("4GB"))
        };
        assert_eq!(settle(State::Applied, None, Some("4GB"), &waits), State::PendingRestart);
        let gone = Seen::default();
        assert_eq!(settle(State::Applied, Some("1GB"), None, &gone), State::Superseded);
    }

    #[test]
    fn every_state_is_read_from_its_word() {
        for state in State::ALL {
            assert_eq!(State::read(state.word()), Some(state));
        }
        assert_eq!(State::read("other"), None);
    }
}
