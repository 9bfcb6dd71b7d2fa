//! The registers: tables in which a version only goes up, by every path on which PostgreSQL changes a row, and the
//! questions that show it.

use std::str::FromStr;

use super::options::Options;
use super::record::Record;

/// How a register is stored and changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// One row of a table, a few of them far more often than others.
    Hot,
    /// One row that is written a single time.
    Once,
    /// One row, read by a statement that takes its time.
    Slow,
    /// A row in each of two tables, changed in one transaction.
    Pair,
    /// A row that changes with the one it refers to.
    Cascade,
    /// A row that a trigger changes.
    Trigger,
    /// A row of a partition.
    Part,
    /// A table that is emptied and filled again.
    Renewed,
    /// Rows that are copied in.
    Copied,
    /// What a view is defined to show.
    View,
    /// What a role may see.
    Rank,
}

impl Kind {
    /// All of them, with how many registers of each there are.
    pub(crate) const ALL: [Self; 11] = [
        Self::Hot,
        Self::Once,
        Self::Slow,
        Self::Pair,
        Self::Cascade,
        Self::Trigger,
        Self::Part,
        Self::Renewed,
        Self::Copied,
        Self::View,
        Self::Rank,
    ];

    const fn registers(self, hot: i32, once: i32) -> i32 {
        match self {
            Self::Hot => hot,
            Self::Once => once,
            Self::Slow => 4,
            Self::Pair | Self::Cascade | Self::Trigger | Self::Part => 20,
            Self::Copied => 5,
            Self::Renewed | Self::View | Self::Rank => 1,
        }
    }

    /// How often it is read, among hundred reads.
    pub(crate) const fn reads(self) -> u32 {
        match self {
            Self::Hot => 50,
            Self::Once => 14,
            Self::Pair => 8,
            Self::Slow | Self::View | Self::Rank | Self::Renewed => 2,
            Self::Cascade | Self::Trigger | Self::Part | Self::Copied => 5,
        }
    }

    /// The questions that show it. Each answers with the key and the version; some with the version once more.
    pub(crate) const fn questions(self) -> &'static [Question] {
        match self {
            Self::Hot => {
                const {
                    &[
                        Question::of("select k, v, pad from reg.hot where k = $1"),
                        Question::of("select h.k, h.v from reg.hot h join reg.fixed f on f.k = 0 where h.k = $1"),
                    ]
                }
            }
            Self::Once => const { &[Question::of("select k, v, pad from reg.once where k = $1")] },
            Self::Slow => {
                const {
                    &[Question::of(
                        "select k, v, (select count(*) from generate_series(1, 40000)) from reg.slow where k = $1",
                    )]
                }
            }
            Self::Pair => {
                const {
                    &[
                        Question::of("select k, v from reg.pair_a where k = $1"),
                        Question::of("select k, v from reg.pair_b where k = $1"),
                        Question::twice(
                            "select a.k, a.v, b.v from reg.pair_a a join reg.pair_b b on b.k = a.k where a.k = $1",
                        ),
                        Question::twice(
                            "select a.k, a.v, (select v from reg.pair_b b where b.k = a.k) from reg.pair_a a where k = $1",
                        ),
                    ]
                }
            }
            Self::Cascade => {
                const {
                    &[
                        Question::of("select k, ver - k::bigint * 1000000000 from reg.child where k = $1"),
                        Question::of("select k, ver - k::bigint * 1000000000 from reg.parent where k = $1"),
                    ]
                }
            }
            Self::Trigger => {
                const {
                    &[
                        Question::of("select k, v from reg.shadow where k = $1"),
                        Question::of("select k, v from reg.source where k = $1"),
                    ]
                }
            }
            Self::Part => {
                const {
                    &[
                        Question::of("select k, v from reg.parts where k = $1"),
                        Question::of(
                            "select k, v from reg.parts_low where k = $1 union all select k, v from reg.parts_high where k = $1",
                        ),
                    ]
                }
            }
            Self::Renewed => const { &[Question::of("select k, v from reg.renewed where k = $1")] },
            Self::Copied => const { &[Question::of("select k, max(v) from reg.copied where k = $1 group by k")] },
            Self::View => const { &[Question::of("select k, v from reg.generation where k = $1")] },
            // A plan that PostgreSQL keeps does not follow memberships, so it is never prepared.
            Self::Rank => const { &[Question::simple("select 0, max(v) from reg.ranks where v >= $1")] },
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |kind: &Self| format!("{kind:?}").eq_ignore_ascii_case(text);
        Self::ALL
            .into_iter()
            .find(named)
            .ok_or_else(|| format!("there is no kind {text}"))
    }
}

/// One statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    /// With `$1` for the key.
    pub(crate) sql: &'static str,
    /// Whether the third value has to be the same as the second.
    pub(crate) twice: bool,
    /// Whether it may be a prepared statement.
    pub(crate) prepared: bool,
}

impl Question {
    const fn of(sql: &'static str) -> Self {
        Self {
            sql,
            twice: false,
            prepared: true,
        }
    }

    const fn twice(sql: &'static str) -> Self {
        Self {
            twice: true,
            ..Self::of(sql)
        }
    }

    const fn simple(sql: &'static str) -> Self {
        Self {
            prepared: false,
            ..Self::of(sql)
        }
    }
}

/// One register.
#[derive(Debug)]
pub(crate) struct Register {
    pub(crate) kind: Kind,
    pub(crate) key: i32,
    pub(crate) record: Record,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Registers {
    all: Vec<Register>,
    hot: i32,
    once: i32,
}

/// The greatest rank that there is a role for.
pub(crate) const RANKS: u64 = 200;

impl Registers {
    /// Those that take part.
    pub(crate) fn new(options: &Options) -> Self {
        let kinds = Kind::ALL.into_iter().filter(|kind| options.has(*kind));
        let registers = kinds.flat_map(|kind| {
            (0..kind.registers(options.hot, options.once)).map(move |key| Register {
                kind,
                key,
                record: Record::default(),
            })
        });
        Self {
            all: registers.collect(),
            hot: options.hot,
            once: options.once,
        }
    }

    /// By number.
    pub(crate) fn get(&self, index: usize) -> &Register {
        &self.all[index]
    }

    /// All of them, numbered.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Register)> {
        self.all.iter().enumerate()
    }

    /// The number of a key of a kind; none where the kind takes no part.
    pub(crate) fn index(&self, kind: Kind, key: i32) -> Option<usize> {
        self.all
            .iter()
            .position(|register| (register.kind, register.key) == (kind, key))
    }

    /// How many of a kind there are; 0 where it takes no part.
    pub(crate) fn count(&self, kind: Kind) -> i32 {
        let has = self.all.iter().any(|register| register.kind == kind);
        if has { kind.registers(self.hot, self.once) } else { 0 }
    }

    /// What makes them.
    pub(crate) fn schema(&self) -> String {
        let ranks: String = (0..=RANKS)
            .map(|rank| match rank {
                0 => "create policy rank_0 on reg.ranks to app using (v = 0);".to_owned(),
                rank => format!(
                    "create role reg_rank_{rank}; create policy rank_{rank} on reg.ranks to reg_rank_{rank} using (v = {rank});"
                ),
            })
            .collect();
        format!(
            "{}{ranks}{GRANTS}",
            SCHEMA
                .replace(":once", &self.once.to_string())
                .replace(":hot", &self.hot.to_string())
        )
    }
}

const SCHEMA: &str = "create schema reg;
create table reg.fixed (k int primary key, v bigint not null);
insert into reg.fixed values (0, 0);
create table reg.hot (k int primary key, v bigint not null, pad text not null);
insert into reg.hot select g, 0, repeat('x', 100 + g) from generate_series(0, :hot - 1) g;
create table reg.once (k int primary key, v bigint not null, pad text not null);
insert into reg.once select g, 0, repeat('y', 20) from generate_series(0, :once - 1) g;
create table reg.slow (k int primary key, v bigint not null);
insert into reg.slow select g, 0 from generate_series(0, 3) g;
create table reg.pair_a (k int primary key, v bigint not null);
create table reg.pair_b (k int primary key, v bigint not null);
insert into reg.pair_a select g, 0 from generate_series(0, 19) g;
insert into reg.pair_b select g, 0 from generate_series(0, 19) g;
create table reg.parent (k int primary key, ver bigint not null unique);
create table reg.child (k int primary key, ver bigint not null references reg.parent (ver) on update cascade);
insert into reg.parent select g, g::bigint * 1000000000 from generate_series(0, 19) g;
insert into reg.child select * from reg.parent;
create table reg.source (k int primary key, v bigint not null);
create table reg.shadow (k int primary key, v bigint not null);
insert into reg.source select g, 0 from generate_series(0, 19) g;
insert into reg.shadow select * from reg.source;
create function reg.carry() returns trigger language plpgsql as
    $$ begin update reg.shadow set v = new.v where k = new.k; return null; end $$;
create trigger carry after update on reg.source for each row execute function reg.carry();
create table reg.parts (k int primary key, v bigint not null) partition by range (k);
create table reg.parts_low partition of reg.parts for values from (0) to (10);
create table reg.parts_high partition of reg.parts for values from (10) to (100);
insert into reg.parts select g, 0 from generate_series(0, 19) g;
create table reg.renewed (k int primary key, v bigint not null);
insert into reg.renewed values (0, 0);
create table reg.copied (k int not null, v bigint not null, primary key (k, v));
insert into reg.copied select g, 0 from generate_series(0, 4) g;
create view reg.generation as select k, (v * 0 + 0)::bigint as v from reg.fixed;
create function reg.bump(int) returns bigint language sql as
    'update reg.hot set v = v + 1 where k = $1 returning v';
create table reg.ranks (v bigint primary key);
insert into reg.ranks select generate_series(0, 200);
alter table reg.ranks enable row level security;
";

const GRANTS: &str = "grant usage, create on schema reg to app; grant all on all tables in schema reg to app;";
