//! Pure. One pass over the tokens of a statement, with a stack of what is open.
//!
//! It reads clauses, arms of conditions, calls and sub-selects off the tokens, as far as judging needs them; a statement
//! that parses is well-formed, so no more has to be checked. What is open beyond [`DEPTH_MAX`] counts for the parenthesis
//! around it.

use super::frame::{Arm, Block, Clause, Frame, Joined, Opened, flag};
use super::names::{self, Called};
use super::words::{self, Word};
use super::{Found, arms, calls, selects, signs};
use crate::scan::{Class, Token};

/// Parentheses open at once that are told apart.
const DEPTH_MAX: usize = 160;

/// The walk over one statement.
#[derive(Debug)]
pub(super) struct Walk<'t, 'a, 'f> {
    pub(super) tokens: &'t [Token<'a>],
    pub(super) found: &'f mut Found,
    pub(super) frames: Vec<Frame<'a>>,
    /// Parentheses that are open beyond the stack.
    beyond: usize,
    /// Whether the text holds this one statement.
    pub(super) alone: bool,
    changes: bool,
    pub(super) letters: usize,
    /// A relation of the application's is read.
    pub(super) own: bool,
    /// A catalogue is read in a query inside the query, or in another arm of a union.
    pub(super) catalogue_within: bool,
    pub(super) tables: Vec<&'a str>,
    /// What the parenthesis that was closed last holds.
    closed: u32,
}

/// Judges what a statement is made of.
pub(super) fn judge(tokens: &[Token<'_>], alone: bool, found: &mut Found) {
    let mut walk = Walk {
        tokens,
        found,
        frames: vec![Frame::new(Opened::Statement, 0)],
        beyond: 0,
        alone,
        changes: false,
        letters: 0,
        own: false,
        catalogue_within: false,
        tables: Vec::new(),
        closed: 0,
    };
    walk.run();
}

impl<'t, 'a> Walk<'t, 'a, '_> {
    fn run(&mut self) {
        let head = self.tokens.first();
        self.changes = head.is_some_and(|head| head.is_any(&["update", "insert", "merge", "with"]));
        if head.is_some_and(|head| head.is("update")) {
            self.top(|top| (top.clause, top.expects_relation) = (Clause::From, true));
        }
        for at in 0..self.tokens.len() {
            self.step(at);
        }
        self.finish_arm(self.tokens.len());
        self.finish_select(self.tokens.len());
        if self.catalogue_within && self.own {
            self.found.add(signs::CATALOGUE_BESIDE);
        }
        if self.letters >= 3 {
            self.found.add(signs::LETTERS);
        }
    }

    /// Changes the innermost frame; there always is one.
    pub(super) fn top<T: Default>(&mut self, act: impl FnOnce(&mut Frame<'a>) -> T) -> T {
        self.frames.last_mut().map(act).unwrap_or_default()
    }

    pub(super) fn frame(&self) -> Option<&Frame<'a>> {
        self.frames.last()
    }

    /// Whether this is a place in which an application asks nothing of its own.
    pub(super) fn probed(&self) -> bool {
        self.frame()
            .is_some_and(|top| top.probed || top.effective().is_probed())
    }

    /// Whether the query around is another's: a sub-select, or an arm of a union.
    pub(super) fn within(&self) -> bool {
        self.frame().is_some_and(|top| top.home > 0) || self.frames.first().is_some_and(|first| first.left.is_some())
    }

    /// Whether the arm under way compares with a pattern.
    pub(super) fn is_pattern(&self) -> bool {
        self.frame().is_some_and(|top| top.arm.flags & flag::LIKE != 0)
    }

    pub(super) fn depth(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn add(&mut self, flags: u32) {
        self.top(|top| top.arm.flags |= flags);
    }

    pub(super) fn token(&self, at: usize) -> Option<&'t Token<'a>> {
        self.tokens.get(at)
    }

    pub(super) fn before(&self, at: usize) -> Option<&'t Token<'a>> {
        self.tokens.get(at.checked_sub(1)?)
    }

    pub(super) fn symbol_at(&self, at: usize, symbol: &str) -> bool {
        self.token(at).is_some_and(|token| token.is_symbol(symbol))
    }

    fn step(&mut self, at: usize) {
        let Some(token) = self.tokens.get(at) else { return };
        match token.class {
            Class::Keyword => self.keyword(at, token),
            Class::Name => self.name(at, token),
            Class::Literal => self.literal(at, token),
            Class::Parameter => self.add(flag::PARAMETER),
            Class::Symbol => self.symbol(at, token),
            Class::Rest => {}
        }
    }

    fn literal(&mut self, at: usize, token: &Token<'_>) {
        self.add(flag::LITERAL);
        let pattern = token.text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
        if pattern.is_some_and(|pattern| crate::skeleton::matches_all(pattern.as_bytes())) {
            self.add(flag::ALL);
        }
        if token.text.starts_with(['U', 'u']) || token.text.starts_with(['E', 'e']) && has_code(token.text) {
            self.found.add(signs::ESCAPES);
        }
        if at > 0 && !token.gap && self.before(at).is_some_and(|before| before.class == Class::Literal) {
            self.found.add(signs::RUN_TOGETHER);
        }
    }

    fn symbol(&mut self, at: usize, token: &Token<'_>) {
        match token.text {
            "(" | "[" => self.open(at),
            ")" | "]" => self.close(at),
            "," => self.comma(at),
            "::" => {
                if calls::shows_in_error(self, self.closed, at) {
                    self.found.add(signs::CAST);
                }
                self.top(|top| top.expects_type = true);
            }
            "*" => self.star(at),
            "=" | "<" | ">" | "<=" | ">=" | "<>" | "!=" | "~" | "~*" | "!~" | "!~*" => self.compares(at),
            "@@" if !self.before(at).is_some_and(words::ends_operand) => self.found.add(signs::foreign::VARIABLE),
            _ => {}
        }
        if at > 0 && !matches!(token.text, "(" | ")" | "," | "." | "::") {
            calls::between_strings(self, at);
        }
    }

    /// A star that stands for columns, and not for a multiplication.
    fn star(&mut self, at: usize) {
        let columns = self.before(at).is_none_or(|before| match before.class {
            Class::Symbol => matches!(before.text, "(" | "," | "."),
            Class::Keyword => before.is_any(&["select", "distinct", "all", "returning"]),
            _ => false,
        });
        if columns {
            self.add(flag::COLUMN);
            self.top(|top| top.block.star |= top.clause == Clause::Targets);
        }
    }

    fn compares(&mut self, at: usize) {
        self.add(flag::COMPARES);
        self.top(|top| {
            top.arm.operator.get_or_insert(at);
        });
    }

    fn comma(&mut self, at: usize) {
        self.finish_arm(at);
        self.top(|top| {
            top.arm.from = at + 1;
            match top.clause {
                Clause::Targets => finish_item(&mut top.block),
                Clause::From => top.expects_relation = true,
                _ => {}
            }
        });
    }

    fn keyword(&mut self, at: usize, token: &Token<'a>) {
        if self.before(at).is_some_and(|before| before.is_symbol(".")) {
            return self.name(at, token);
        }
        let word = words::of(token);
        if word != Word::Other && words::is_shaken(token.text) {
            self.found.add(signs::SHAKEN);
        }
        if self.before(at).is_some_and(|before| before.is("as")) && word != Word::Grammar && !self.in_cast() {
            // A label, or the type behind `CAST (… AS`.
            if !matches!(word, Word::Select | Word::Values | Word::With) {
                return;
            }
        }
        match word {
            Word::And | Word::Or => self.joins(at, word),
            Word::Case => self.push(Opened::Case, at),
            Word::When | Word::Then | Word::Else => self.divides_case(at, word),
            Word::End => self.ends_case(at),
            Word::Like => {
                self.add(flag::LIKE);
                self.compares(at);
            }
            Word::Compares => self.compares(at),
            Word::Between => {
                self.top(|top| top.arm.between = true);
                self.compares(at);
            }
            Word::Null => self.add(flag::NULL),
            Word::Truth => self.add(flag::TRUTH),
            Word::Session => self.add(flag::INFO | flag::CALL),
            Word::Present => self.add(flag::VOLATILE | flag::CALL),
            Word::As => {
                let cast = self.in_cast();
                self.top(|top| top.expects_type = cast);
            }
            Word::Grammar | Word::Distinct | Word::Exists | Word::Cast => {
                if self.frame().is_some_and(|top| top.expects_type) {
                    self.takes_type(at, token);
                }
            }
            Word::Other => self.name(at, token),
            _ => self.clause(at, word),
        }
    }

    pub(super) fn in_cast(&self) -> bool {
        self.frame().is_some_and(|top| top.opened == Opened::Cast)
    }

    fn joins(&mut self, at: usize, word: Word) {
        let belongs = word == Word::And && self.top(|top| std::mem::take(&mut top.arm.between));
        if belongs {
            return;
        }
        self.finish_arm(at);
        self.top(|top| {
            top.arm = Arm {
                from: at + 1,
                joined: if word == Word::And { Joined::And } else { Joined::Or },
                ..Arm::default()
            };
        });
    }

    fn divides_case(&mut self, at: usize, word: Word) {
        self.finish_arm(at);
        self.top(|top| {
            top.arm.from = at + 1;
            top.clause = match (word, top.opened) {
                // `CASE a WHEN 1`: what stands behind `WHEN` is no condition.
                (Word::When, Opened::Case) if !top.searched => Clause::Other,
                (Word::When, Opened::Case) => Clause::When,
                (Word::When, _) => Clause::On,
                (_, Opened::Case) => Clause::Then,
                _ => Clause::Other,
            };
        });
    }

    fn ends_case(&mut self, at: usize) {
        if self.frame().is_some_and(|top| top.opened == Opened::Case) {
            self.pop(at);
        }
    }

    /// A keyword that begins a clause.
    fn clause(&mut self, at: usize, word: Word) {
        let next = |words: &[&str]| self.token(at + 1).is_some_and(|next| next.is_any(words));
        let behind = |words: &[&str]| self.before(at).is_some_and(|before| before.is_any(words));
        let in_call = self
            .frame()
            .is_some_and(|top| matches!(top.opened, Opened::Call(_) | Opened::Cast));
        let clause = match word {
            Word::From if in_call || behind(&["distinct"]) => return,
            Word::On if behind(&["distinct"]) => return,
            Word::Group | Word::Order if !next(&["by"]) => return,
            Word::Set if !self.changes || !behind_name(self.before(at)) => return,
            Word::Values if !self.symbol_at(at + 1, "(") => return self.add(flag::COLUMN),
            Word::Union => return self.unites(at),
            Word::Select => return self.selects(at),
            Word::With if self.symbol_at(at + 1, "(") || next(&["ordinality", "time", "ties", "hold"]) => return,
            Word::From => Clause::From,
            Word::Where => Clause::Where,
            Word::Having => Clause::Having,
            Word::On if next(&["conflict"]) => Clause::Other,
            Word::On => Clause::On,
            Word::Group => Clause::Group,
            Word::Order => Clause::Order,
            Word::Limit => Clause::Limit,
            Word::Values => Clause::Values,
            Word::Set => Clause::Set,
            Word::Returning => Clause::Targets,
            Word::Join | Word::Into => Clause::From,
            Word::Using if self.symbol_at(at + 1, "(") => return,
            Word::Using => Clause::From,
            Word::With => Clause::With,
            _ => Clause::Other,
        };
        self.finish_arm(at);
        self.top(|top| {
            if top.clause == Clause::Targets {
                finish_item(&mut top.block);
            }
            top.clause = clause;
            top.arm.from = at + 1;
            top.expects_relation = clause == Clause::From;
            match word {
                Word::From => top.block.from = true,
                Word::Where | Word::Having => top.block.filtered = true,
                _ => {}
            }
        });
    }

    fn selects(&mut self, at: usize) {
        self.finish_arm(at);
        let summary = self.first_target(at + 1);
        self.top(|top| {
            top.block = Block {
                selects: true,
                summary,
                ..Block::default()
            };
            top.clause = Clause::Targets;
            top.arm.from = at + 1;
        });
    }

    /// Whether the first target is a call that makes one value of many.
    fn first_target(&self, at: usize) -> bool {
        let mut rest = self.tokens.get(at..).unwrap_or_default().iter();
        let first = rest.find(|token| !token.is_symbol("(") && !token.is_any(&["distinct", "all"]));
        let called = rest.next().is_some_and(|next| next.is_symbol("("));
        called && first.is_some_and(|first| names::function(&first.folded()) == Some(Called::Aggregate))
    }

    fn unites(&mut self, at: usize) {
        self.finish_arm(at);
        self.finish_select(at);
        self.top(|top| {
            top.left = Some(top.block);
            top.block = Block::default();
            top.clause = Clause::Other;
            top.arm.from = at + 1;
        });
    }

    /// Ends the `SELECT` of the innermost frame, and holds it against the one before `UNION`.
    fn finish_select(&mut self, at: usize) {
        let last = self.before(at);
        let mut back = self.tokens.get(..at).unwrap_or_default().iter().rev();
        let inside = back.find(|token| !token.is_symbol(")"));
        let (literal, parameter) = (
            inside.is_some_and(|token| token.class == Class::Literal || token.is_any(&["null", "true", "false"])),
            last.is_some_and(|token| token.class == Class::Parameter),
        );
        let sides = self.top(|top| {
            if top.clause == Clause::Targets {
                finish_item(&mut top.block);
            }
            top.block.ends_in_literal |= literal;
            top.block.ends_in_parameter |= parameter;
            top.left.map(|left| (left, top.block))
        });
        if let Some((left, right)) = sides {
            selects::unite(self, &left, &right);
        }
    }

    fn open(&mut self, at: usize) {
        self.push(calls::opened(self, at), at);
    }

    fn push(&mut self, opened: Opened, at: usize) {
        if let Opened::Call(Some(called)) = opened {
            calls::judge(self, called, at);
        }
        if self.frames.len() >= DEPTH_MAX {
            self.beyond += 1;
            return;
        }
        let mut frame = Frame::new(opened, at);
        if let Some(outer) = self.frames.last() {
            frame.place = outer.effective();
            frame.probed = outer.probed || frame.place.is_probed();
            frame.home = outer.home;
            frame.clause = match opened {
                Opened::Statement | Opened::Select | Opened::Case => Clause::Other,
                Opened::Group if outer.clause == Clause::From && outer.expects_relation => Clause::From,
                Opened::Group | Opened::Call(_) | Opened::Cast | Opened::List => Clause::Inner,
            };
            frame.expects_relation = frame.clause == Clause::From;
        }
        if opened == Opened::Select {
            frame.home = self.frames.len();
        }
        self.top(|top| top.expects_relation = false);
        frame.arm.from = at + 1;
        frame.searched = self.token(at + 1).is_some_and(|next| next.is("when"));
        self.frames.push(frame);
    }

    fn close(&mut self, at: usize) {
        if self.beyond > 0 {
            self.beyond -= 1;
        } else if self.frame().is_some_and(|top| top.opened != Opened::Case) {
            self.pop(at);
        }
    }

    fn pop(&mut self, at: usize) {
        if self.frames.len() < 2 {
            return;
        }
        self.finish_arm(at);
        self.finish_select(at);
        let Some(frame) = self.frames.pop() else { return };
        let flags = selects::close(self, &frame);
        self.closed = flags;
        let adopts = frame.opened == Opened::Select || frame.opened == Opened::Group && frame.block.selects;
        self.top(|top| {
            top.arm.flags |= flags;
            if adopts && !top.block.selects && top.clause == Clause::Other {
                top.block = frame.block;
            }
        });
    }

    fn finish_arm(&mut self, at: usize) {
        let Some(top) = self.frames.last() else { return };
        if top.arm.flags != 0 {
            arms::judge(self, at);
        }
        self.top(|top| {
            let arm = std::mem::take(&mut top.arm);
            top.seen |= arm.flags;
            top.block.item |= arm.flags;
            top.block.flags |= arm.flags;
            let literal = arm.flags & (flag::LITERAL | flag::NULL) != 0 && arm.flags & flag::COMPARES != 0;
            top.equals_literal |= literal && arm.flags & flag::COLUMN != 0 && arm.flags & flag::LIKE == 0;
        });
    }
}

/// Counts a target, and remembers whether it is constant.
fn finish_item(block: &mut Block) {
    let item = std::mem::take(&mut block.item);
    if item == 0 {
        return;
    }
    if item & flag::VARIES == 0 && item & flag::ANYTHING != 0 && block.items < 64 {
        block.constants |= 1 << block.items;
    }
    block.items = block.items.saturating_add(1);
}

fn behind_name(before: Option<&Token<'_>>) -> bool {
    before.is_some_and(|before| before.is_name() || before.is_symbol(")"))
}

/// `\x41`, `\101`, `\u0041`.
fn has_code(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| {
        let [backslash, next] = pair else { return false };
        *backslash == b'\\' && matches!(next, b'0'..=b'9' | b'x' | b'u' | b'U')
    })
}
