//! What a client's statements did to its session, until it is known whether that stays. Pure.
//!
//! A setting that was made by a statement alone is known. One that was made in a transaction, by a function or among
//! several statements is asked of the server when the transaction has ended; what cannot be asked is undone.

use weir_sql::{Deed, Statement};

use crate::profile::Setting;

/// Who the session is. Whoever says that says of its role that it is none, or what it was at first.
const AUTHORIZATION: &str = "session_authorization";
const ROLE: &str = "role";

/// Why a session keeps its connection.
pub(super) mod pin {
    pub(in super::super) const LISTEN: u8 = 1;
    pub(in super::super) const TEMPORARY: u8 = 2;
    pub(in super::super) const CURSOR: u8 = 4;
    pub(in super::super) const ADVISORY_LOCK: u8 = 8;
    pub(in super::super) const PREPARE: u8 = 16;
    pub(in super::super) const LOAD: u8 = 32;
    pub(in super::super) const ENCODING: u8 = 64;

    /// The reasons with their names in the metrics.
    pub(in super::super) const NAMES: [(u8, &str); 7] = [
        (LISTEN, "listen"),
        (TEMPORARY, "temporary"),
        (CURSOR, "cursor"),
        (ADVISORY_LOCK, "advisory_lock"),
        (PREPARE, "prepare"),
        (LOAD, "load"),
        (ENCODING, "encoding"),
    ];
}

/// A setting that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Set(Box<str>, Setting),
    Reset(Box<str>),
    ResetAll,
}

/// What becomes of the settings when a transaction has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settings {
    /// They are as they were.
    Same,
    /// They changed in this way.
    Changed(Vec<Change>),
    /// The server has to be asked for the values of these.
    Ask(Vec<Box<str>>),
    /// Nobody knows; the session has to be reset.
    Unknown,
}

/// What happened since the last transaction ended.
#[derive(Debug, Default)]
pub(super) struct Journal {
    changes: Vec<Change>,
    names: Vec<Box<str>>,
    must_ask: bool,
    lost_track: bool,
    /// Why the connection has to be kept, as far as this session's statements tell.
    pub(super) pins: u8,
    /// It gave advisory locks back; whether any is left has to be asked.
    pub(super) unlocked: bool,
    /// Others' statements may have to be prepared anew.
    pub(super) definitions: bool,
    /// The same, if what it made is undone.
    pub(super) created: bool,
    /// It may have done anything; the session is reset before anybody else gets it.
    pub(super) opaque: bool,
    /// It called functions of the user's own.
    pub(super) calls: Vec<Box<str>>,
    /// Statements that were prepared in SQL.
    pub(super) prepared: Vec<Box<str>>,
    /// The session was emptied by `DISCARD ALL`.
    pub(super) discarded: bool,
    /// Its seed is another: not even `DISCARD ALL` undoes that.
    pub(super) is_seeded: bool,
}

impl Journal {
    /// A statement ended. `in_block`: inside a transaction of several statements.
    pub(super) fn note(&mut self, statement: &Statement, in_block: bool, failed: bool) {
        if statement.deeds.is_empty() {
            return;
        }
        // Of several statements the first ones may have been committed before the last one failed.
        if failed && statement.statements <= 1 {
            return;
        }
        let is_whole = statement.statements == 1 || !(failed || statement.deeds.iter().any(moves_transaction));
        let is_alone = !in_block && is_whole;
        for deed in &statement.deeds {
            self.note_deed(deed, is_alone);
        }
        self.must_ask |= failed;
    }

    fn note_deed(&mut self, deed: &Deed, is_alone: bool) {
        match deed {
            Deed::Set {
                local: false,
                name,
                text,
            } => self.set(name, Setting::Statement(text.clone()), is_alone),
            Deed::Reset { name, .. } => {
                self.change(name, Change::Reset(name.clone()), is_alone);
                if &**name == AUTHORIZATION {
                    self.change(ROLE, Change::Reset(ROLE.into()), is_alone);
                }
            }
            Deed::ResetAll => {
                self.changes.push(Change::ResetAll);
                self.lost_track |= !is_alone;
            }
            Deed::SetConfig { local: Some(true), .. } => {}
            Deed::SetConfig {
                name: Some(name),
                value,
                ..
            } => {
                let value = value.clone().unwrap_or_default();
                self.set(name, Setting::Value(value), false);
            }
            Deed::SetConfig { name: None, .. } => self.lost_track = true,
            Deed::RollbackTo => self.must_ask |= !self.changes.is_empty(),
            Deed::Commit { chain: true } | Deed::Rollback { chain: true } => {
                self.must_ask |= !self.changes.is_empty();
            }
            other => self.note_trace(other),
        }
    }

    fn set(&mut self, name: &str, setting: Setting, is_alone: bool) {
        self.change(name, Change::Set(name.into(), setting), is_alone);
        if name == AUTHORIZATION {
            let none = Setting::Value("none".into());
            self.change(ROLE, Change::Set(ROLE.into(), none), is_alone);
        }
    }

    fn change(&mut self, name: &str, change: Change, is_alone: bool) {
        self.changes.push(change);
        self.names.push(name.into());
        self.must_ask |= !is_alone;
    }

    fn note_trace(&mut self, deed: &Deed) {
        match deed {
            Deed::Listen => self.pins |= pin::LISTEN,
            Deed::Unlisten { all: true } => self.pins &= !pin::LISTEN,
            Deed::Temporary => self.pins |= pin::TEMPORARY,
            Deed::DiscardTemp => self.pins &= !pin::TEMPORARY,
            Deed::HoldCursor => self.pins |= pin::CURSOR,
            Deed::CloseAll => self.pins &= !pin::CURSOR,
            Deed::AdvisoryLock => self.pins |= pin::ADVISORY_LOCK,
            Deed::AdvisoryUnlock { .. } => self.unlocked = true,
            Deed::Prepare { name } => {
                self.pins |= pin::PREPARE;
                self.prepared.push(name.clone());
            }
            Deed::Deallocate { name } => self.unprepare(name),
            Deed::DeallocateAll => {
                self.pins &= !pin::PREPARE;
                self.prepared.clear();
            }
            Deed::Load => self.pins |= pin::LOAD,
            Deed::Seed => self.is_seeded = true,
            Deed::Definitions => self.definitions = true,
            Deed::Creates => self.created = true,
            Deed::Opaque => self.opaque = true,
            Deed::Calls { function } => self.calls.push(function.clone()),
            Deed::DiscardAll => {
                *self = Self {
                    discarded: true,
                    is_seeded: self.is_seeded,
                    definitions: self.definitions,
                    created: self.created,
                    ..Self::default()
                };
            }
            _ => {}
        }
    }

    /// What a text does that cannot be read byte by byte is known to the server only: such a session keeps its own.
    pub(super) const fn note_encoding(&mut self, reads_ascii: bool) {
        if reads_ascii {
            self.pins &= !pin::ENCODING;
        } else {
            self.pins |= pin::ENCODING;
        }
    }

    /// A statement that was prepared in SQL goes.
    pub(super) fn unprepare(&mut self, name: &str) {
        if self.pins & pin::PREPARE == 0 {
            return;
        }
        self.prepared.retain(|known| **known != *name);
        if self.prepared.is_empty() {
            self.pins &= !pin::PREPARE;
        }
    }

    /// Whether the server knows a statement by this name of the client's own.
    pub(super) fn has_prepared(&self, name: &[u8]) -> bool {
        self.prepared.iter().any(|known| known.as_bytes() == name)
    }

    /// Whether anything is to be done when the transaction has ended.
    pub(super) fn is_blank(&self) -> bool {
        self.changes.is_empty()
            && self.pins == 0
            && self.calls.is_empty()
            && !(self.lost_track
                || self.unlocked
                || self.definitions
                || self.created
                || self.opaque
                || self.discarded
                || self.is_seeded)
    }

    /// Whether something is left that others must not find.
    pub(super) const fn is_dirty(&self) -> bool {
        self.opaque || self.is_seeded
    }

    /// The transaction has ended: what became of the settings.
    pub(super) fn settle(&mut self, committed: bool) -> Settings {
        let changes = std::mem::take(&mut self.changes);
        let mut names = std::mem::take(&mut self.names);
        let (must_ask, lost_track) = (self.must_ask, self.lost_track);
        self.must_ask = false;
        self.lost_track = false;
        if lost_track {
            return Settings::Unknown;
        }
        if changes.is_empty() || (!committed && !must_ask) {
            return Settings::Same;
        }
        if !must_ask {
            return Settings::Changed(changes);
        }
        names.sort();
        names.dedup();
        Settings::Ask(names)
    }
}

/// Whether what other statements of the same text did may not be there at its end.
const fn moves_transaction(deed: &Deed) -> bool {
    deed.controls_transaction() || matches!(deed, Deed::PrepareTransaction)
}

#[cfg(test)]
mod tests {
    use weir_sql::{Limits, analyse};

    use super::*;

    fn noted(statements: &[(&str, bool, bool)]) -> Journal {
        let mut journal = Journal::default();
        for (sql, in_block, failed) in statements {
            journal.note(&analyse(sql, Limits::default()), *in_block, *failed);
        }
        journal
    }

    #[test]
    fn a_setting_made_alone_is_known() {
        let mut journal = noted(&[("set app.tenant = 'a'", false, false)]);
        let Settings::Changed(changes) = journal.settle(true) else {
            panic!("not known")
        };
        assert!(matches!(&changes[..], [Change::Set(name, Setting::Statement(_))] if &**name == "app.tenant"));
        assert!(journal.is_blank());
    }

    #[test]
    fn one_made_in_a_transaction_is_asked_for_and_one_that_failed_is_not() {
        let mut journal = noted(&[("set app.tenant = 'a'", true, false)]);
        assert_eq!(journal.settle(true), Settings::Ask(vec!["app.tenant".into()]));
        assert_eq!(
            noted(&[("set app.tenant = 'a'", false, true)]).settle(false),
            Settings::Same
        );
        let mut journal = noted(&[("set a.b = '1'; reset all; set c.d = '2'", false, false)]);
        let Settings::Changed(changes) = journal.settle(true) else {
            panic!("not known")
        };
        assert!(matches!(
            &changes[..],
            [Change::Set(..), Change::ResetAll, Change::Set(..)]
        ));
        let mut journal = noted(&[("set a.b = '1'; commit; set c.d = '2'", false, false)]);
        assert_eq!(journal.settle(true), Settings::Ask(vec!["a.b".into(), "c.d".into()]));
    }

    #[test]
    fn what_is_local_leaves_no_trace() {
        for sql in [
            "set local app.x = '1'",
            "select set_config('app.x', '1', true)",
            "select 1",
        ] {
            assert!(noted(&[(sql, true, false)]).is_blank(), "{sql}");
        }
    }

    #[test]
    fn a_name_that_nobody_can_read_is_unknown() {
        let mut journal = noted(&[("select set_config(x, y, false) from t", false, false)]);
        assert_eq!(journal.settle(true), Settings::Unknown);
    }

    #[test]
    fn what_needs_a_session_is_pinned_and_let_go() {
        for (sql, reason) in [
            ("listen a", pin::LISTEN),
            ("create temp table t (a int)", pin::TEMPORARY),
            ("declare c cursor with hold for select 1", pin::CURSOR),
            ("select pg_advisory_lock(1)", pin::ADVISORY_LOCK),
            ("prepare p as select 1", pin::PREPARE),
            ("load 'auto_explain'", pin::LOAD),
        ] {
            assert_eq!(noted(&[(sql, false, false)]).pins, reason, "{sql}");
            let journal = noted(&[(sql, false, false), ("discard all", false, false)]);
            assert_eq!((journal.pins, journal.discarded), (0, true), "{sql}");
        }
    }
}
