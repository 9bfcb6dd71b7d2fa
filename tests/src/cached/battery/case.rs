//! One case. Pure: a case says what happens, and does nothing.

use crate::cached::Way;

/// One thing that happens. `{s}` in a text is the schema of the case.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Somebody else says this to PostgreSQL itself.
    Direct(&'static str),
    /// The same in a transaction that this session keeps open.
    Held(&'static str),
    /// The session at the door says this.
    Door(&'static str),
    /// The session at the door, and the one at PostgreSQL that it is compared with, both say this.
    Both(&'static str),
    /// The session at the door copies this in: statement and data.
    Copy(&'static str, &'static str),
    /// The question of the case is asked at both, and the answers have to be the same.
    Ask,
    /// The same, and what was in memory is still good: nothing that happened made it void.
    Spared,
    /// Values come back in binary from here on.
    Binary,
}

/// When the last answer is right.
#[derive(Debug, Clone, Copy)]
pub enum Check {
    /// Where PostgreSQL itself gives the same.
    LikeDirect,
    /// Where PostgreSQL itself gives the same for a statement prepared before the change or after it, whichever of the two
    /// the door did on the connection that answered; or where a statement is refused that was prepared before.
    LikeDirectOrReplanned,
    /// Where PostgreSQL itself gives the same values; what else is in the answer names a table of the session.
    SameValues,
    /// Where the first value of the first row is this.
    First(&'static str),
    /// Where it is not the same as before: the question never has the same answer twice.
    Moves,
}

/// One case.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Its name, and part of its schema's.
    pub name: &'static str,
    /// What is there before anything is asked.
    pub setup: &'static str,
    /// What is asked, with `$1` for values.
    pub query: &'static str,
    /// The values.
    pub values: &'static [&'static str],
    /// What is said in both sessions when they begin.
    pub begin: &'static str,
    /// What happens between the answer from memory and the last answer.
    pub steps: &'static [Step],
    /// When that is right.
    pub check: Check,
    /// Whether answers may come from memory at all.
    pub cacheable: bool,
    /// How fresh answers have to be.
    pub level: &'static str,
    /// Whether a role asks that is nobody special, instead of the superuser.
    pub app: bool,
    /// Whether the answer must be the same all the time.
    pub stays: bool,
    /// How it can be asked.
    pub ways: &'static [Way],
}

/// A table with a hundred rows.
pub(super) const T: &str = "create table {s}.t (k int primary key, v int not null);
    insert into {s}.t select g, g from generate_series(1, 100) g;";
/// One row of it.
pub(super) const ROW: &str = "select k, v from {s}.t where k = $1";
/// Its key.
pub(super) const SEVEN: &[&str] = &["7"];

impl Case {
    /// One row of a table, and what happens meanwhile.
    pub(super) const fn row(name: &'static str, steps: &'static [Step]) -> Self {
        Self::new(name, T, ROW, SEVEN, steps)
    }

    /// A case.
    pub(super) const fn new(
        name: &'static str,
        setup: &'static str,
        query: &'static str,
        values: &'static [&'static str],
        steps: &'static [Step],
    ) -> Self {
        Self {
            name,
            setup,
            query,
            values,
            begin: "",
            steps,
            check: Check::LikeDirect,
            cacheable: true,
            level: "strict",
            app: false,
            stays: false,
            ways: &[Way::Simple, Way::Prepared],
        }
    }

    /// The session's own doing, which it has to see without asking for more.
    pub(super) const fn own(mut self) -> Self {
        self.level = "session";
        self
    }

    /// Asked by a role that is nobody special.
    pub(super) const fn by_app(mut self) -> Self {
        self.app = true;
        self
    }

    /// Nothing of it may come from memory.
    pub(super) const fn never_cached(mut self) -> Self {
        self.cacheable = false;
        self
    }

    /// Only in the simple protocol, which alone knows it.
    pub(super) const fn simple(mut self) -> Self {
        self.ways = &[Way::Simple];
        self
    }

    /// Nothing of what happens may change the answer.
    pub(super) const fn staying(mut self) -> Self {
        self.stays = true;
        self
    }

    /// What both sessions say when they begin.
    pub(super) const fn beginning(mut self, sql: &'static str) -> Self {
        self.begin = sql;
        self
    }

    /// When the last answer is right.
    pub(super) const fn checked(mut self, check: Check) -> Self {
        self.check = check;
        self
    }
}
