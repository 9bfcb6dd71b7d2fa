//! Pure. What the walk knows of each parenthesis that is open: its clause, the arm under way, its `SELECT`.

use super::names::Called;

/// What an operand or an arm of a condition is made of, and what stands in its parentheses.
pub(super) mod flag {
    pub(in super::super) const COLUMN: u32 = 1;
    pub(in super::super) const PARAMETER: u32 = 1 << 1;
    pub(in super::super) const LITERAL: u32 = 1 << 2;
    pub(in super::super) const NULL: u32 = 1 << 3;
    pub(in super::super) const TRUTH: u32 = 1 << 4;
    pub(in super::super) const CALL: u32 = 1 << 5;
    /// Tells of the server or the session.
    pub(in super::super) const INFO: u32 = 1 << 6;
    /// Takes a text apart.
    pub(in super::super) const BYTES: u32 = 1 << 7;
    /// Makes a number of a letter that was taken out of a text.
    pub(in super::super) const LETTER: u32 = 1 << 8;
    /// A sub-select that reads a relation and does not depend on the query around it.
    pub(in super::super) const SELECT: u32 = 1 << 9;
    /// A sub-select that reads nothing.
    pub(in super::super) const BARE_SELECT: u32 = 1 << 10;
    pub(in super::super) const EXISTS: u32 = 1 << 11;
    pub(in super::super) const LIKE: u32 = 1 << 12;
    /// A pattern that fits everything.
    pub(in super::super) const ALL: u32 = 1 << 13;
    /// Is another at each call.
    pub(in super::super) const VOLATILE: u32 = 1 << 14;
    pub(in super::super) const SECRET: u32 = 1 << 15;
    /// A comparison.
    pub(in super::super) const COMPARES: u32 = 1 << 16;
    /// The sub-select counts or sums up.
    pub(in super::super) const SUMMARY: u32 = 1 << 17;
    /// The sub-select has no condition.
    pub(in super::super) const UNFILTERED: u32 = 1 << 18;
    pub(in super::super) const CASE: u32 = 1 << 19;
    /// What no constant has.
    pub(in super::super) const VARIES: u32 = COLUMN | PARAMETER | SELECT;
    /// What makes an operand at all.
    pub(in super::super) const ANYTHING: u32 = LITERAL | NULL | TRUTH | CALL | BARE_SELECT | INFO | VOLATILE;
}

/// Where in a query something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Clause {
    /// Nothing that matters.
    #[default]
    Other,
    /// Where the parenthesis around it stands.
    Inner,
    With,
    Targets,
    From,
    Where,
    Having,
    On,
    When,
    Then,
    Group,
    Order,
    Limit,
    Values,
    Set,
}

impl Clause {
    pub(super) const fn is_condition(self) -> bool {
        matches!(self, Self::Where | Self::Having | Self::On | Self::When)
    }

    /// Where an application has no question of its own to ask.
    pub(super) const fn is_probed(self) -> bool {
        self.is_condition() || matches!(self, Self::Order | Self::Limit)
    }
}

/// What a parenthesis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    Statement,
    Select,
    Group,
    Call(Option<Called>),
    Cast,
    /// Behind `IN`.
    List,
    /// From `CASE` to `END`.
    Case,
}

/// How an arm is joined to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Joined {
    #[default]
    First,
    And,
    Or,
}

/// What stands between two `AND`, `OR`, commas or clauses.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arm {
    /// Its first token.
    pub(super) from: usize,
    pub(super) joined: Joined,
    pub(super) flags: u32,
    /// Where its first comparison stands.
    pub(super) operator: Option<usize>,
    pub(super) between: bool,
}

/// One `SELECT`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Block {
    pub(super) selects: bool,
    pub(super) items: u32,
    /// A bit for each of the first 64 targets that are constant.
    pub(super) constants: u64,
    pub(super) item: u32,
    pub(super) star: bool,
    pub(super) from: bool,
    pub(super) filtered: bool,
    pub(super) flags: u32,
    pub(super) summary: bool,
    pub(super) own: bool,
    pub(super) catalogues: u32,
    /// Its last token is a literal, or one in parentheses.
    pub(super) ends_in_literal: bool,
    pub(super) ends_in_parameter: bool,
}

/// One open parenthesis.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) opened: Opened,
    /// The token that opens it.
    pub(super) at: usize,
    /// The clause around it.
    pub(super) place: Clause,
    pub(super) clause: Clause,
    /// Whether it stands in a condition, however deep.
    pub(super) probed: bool,
    pub(super) arm: Arm,
    /// All that its arms were made of.
    pub(super) seen: u32,
    /// An arm before compared something with a literal for equality.
    pub(super) equals_literal: bool,
    pub(super) block: Block,
    /// What stands before `UNION`.
    pub(super) left: Option<Block>,
    /// The next name is a relation's.
    pub(super) expects_relation: bool,
    /// The next name is a type's.
    pub(super) expects_type: bool,
    /// `CASE WHEN …`, not `CASE a WHEN …`.
    pub(super) searched: bool,
    /// The `SELECT` it belongs to, as a place in the stack.
    pub(super) home: usize,
    pub(super) relations: Vec<&'a str>,
    pub(super) qualifiers: Vec<&'a str>,
}

impl Frame<'_> {
    pub(super) fn new(opened: Opened, at: usize) -> Self {
        Self {
            opened,
            at,
            place: Clause::Other,
            clause: Clause::Other,
            probed: false,
            arm: Arm::default(),
            seen: 0,
            equals_literal: false,
            block: Block::default(),
            left: None,
            expects_relation: false,
            expects_type: false,
            searched: false,
            home: 0,
            relations: Vec::new(),
            qualifiers: Vec::new(),
        }
    }

    /// The clause that counts: its own, or the one around it.
    pub(super) const fn effective(&self) -> Clause {
        match self.clause {
            Clause::Inner => self.place,
            clause => clause,
        }
    }
}
