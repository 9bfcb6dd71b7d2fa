//! Which write goes which way.

use weir_tests::cached::Way;

use super::registers::Kind;

/// The path of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// Through the PostgreSQL door.
    Door(Way),
    /// Through the door for calls.
    Call,
    /// At PostgreSQL itself.
    Direct,
}

/// What is said.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said {
    /// One statement with `$1` for the key, which answers with the version.
    Answering(&'static str),
    /// A text with `:v` for the version that it makes, by the only writer of the register.
    Telling(&'static str),
    /// A COPY of key and version, by the only writer of the register.
    Copying(&'static str),
}

/// One way to write a register.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Write {
    pub(crate) kind: Kind,
    pub(crate) path: Path,
    pub(crate) said: Said,
    /// How often, among the writes of its writer.
    pub(crate) weight: u32,
}

const HOT: Said = Said::Answering("update reg.hot set v = v + 1 where k = $1 returning v");
const BUMP: Said = Said::Answering("select reg.bump($1)");
const ONCE: Said = Said::Answering("update reg.once set v = v + 1 where k = $1 returning v");
const SLOW: Said = Said::Answering("update reg.slow set v = v + 1 where k = $1 returning v");
const PAIR: Said = Said::Answering(
    "with a as (update reg.pair_a set v = v + 1 where k = $1) update reg.pair_b set v = v + 1 where k = $1 returning v",
);
const CASCADE: Said =
    Said::Answering("update reg.parent set ver = ver + 1 where k = $1 returning ver - k::bigint * 1000000000");
const TRIGGER: Said = Said::Answering("update reg.source set v = v + 1 where k = $1 returning v");
const PART: Said = Said::Answering("update reg.parts set v = v + 1 where k = $1 returning v");
const LEAF: Said = Said::Answering(
    "with low as (update reg.parts_low set v = v + 1 where k = $1 returning v),
     high as (update reg.parts_high set v = v + 1 where k = $1 returning v) select v from low union all select v from high",
);
const RENEWED: Said = Said::Telling("begin; truncate reg.renewed; insert into reg.renewed values (0, :v); commit");
const COPIED: Said = Said::Copying("copy reg.copied from stdin");
const VIEW: Said =
    Said::Telling("create or replace view reg.generation as select k, (v * 0 + :v)::bigint as v from reg.fixed");
const RANK: Said = Said::Telling("grant reg_rank_:v to app");

const fn write(kind: Kind, path: Path, said: Said, weight: u32) -> Write {
    Write {
        kind,
        path,
        said,
        weight,
    }
}

/// Writes that any number of writers may do.
pub(crate) const SHARED: [Write; 16] = [
    write(Kind::Hot, Path::Direct, HOT, 20),
    write(Kind::Hot, Path::Door(Way::Prepared), HOT, 12),
    write(Kind::Hot, Path::Door(Way::Simple), BUMP, 4),
    write(Kind::Hot, Path::Call, HOT, 6),
    write(Kind::Once, Path::Direct, ONCE, 16),
    write(Kind::Once, Path::Door(Way::Prepared), ONCE, 4),
    write(Kind::Once, Path::Call, ONCE, 2),
    write(Kind::Slow, Path::Direct, SLOW, 3),
    write(Kind::Slow, Path::Door(Way::Simple), SLOW, 3),
    write(Kind::Pair, Path::Direct, PAIR, 8),
    write(Kind::Pair, Path::Door(Way::Extended), PAIR, 4),
    write(Kind::Cascade, Path::Direct, CASCADE, 6),
    write(Kind::Trigger, Path::Direct, TRIGGER, 6),
    write(Kind::Part, Path::Direct, PART, 3),
    write(Kind::Part, Path::Direct, LEAF, 3),
    write(Kind::Part, Path::Door(Way::Prepared), PART, 2),
];

/// Writes of one writer alone, which counts the versions itself, each so many reads after the one before.
pub(crate) const OWNED: [(Write, u64); 5] = [
    (write(Kind::Renewed, Path::Door(Way::Simple), RENEWED, 1), 800),
    (write(Kind::Copied, Path::Door(Way::Simple), COPIED, 1), 300),
    (write(Kind::Copied, Path::Direct, COPIED, 1), 300),
    // After these two every answer that is held is void.
    (write(Kind::View, Path::Direct, VIEW, 1), 60_000),
    (write(Kind::Rank, Path::Direct, RANK, 1), 50_000),
];
