//! Pure. What the names in a statement stand for: relations, columns, types, labels; and whether a query depends on the one
//! around it.

use super::frame::{Clause, Frame, flag};
use super::names::{self, Relation};
use super::walk::Walk;
use super::{calls, signs, words};
use crate::scan::{Class, Token};

/// Names that one query keeps; more count as if it depended on the query around it.
const NAMES_MAX: usize = 64;

impl<'a> Walk<'_, 'a, '_> {
    pub(super) fn name(&mut self, at: usize, token: &Token<'a>) {
        if token.is_escaped_name() {
            self.found.add(signs::ESCAPED_NAME);
        } else if token.text.starts_with('"') && is_odd_name(token.text) {
            self.found.add(signs::ODD_NAME);
        }
        let Some(top) = self.frames.last() else { return };
        if top.expects_type {
            return self.takes_type(at, token);
        }
        if self.symbol_at(at + 1, "(")
            || self.token(at + 1).is_some_and(|next| next.class == Class::Literal)
                && !self.symbol_at(at.wrapping_sub(1), ".")
        {
            // A call, or the type before a literal.
            return;
        }
        if top.clause == Clause::With {
            if self
                .before(at)
                .is_some_and(|before| before.is_any(&["with", "recursive"]) || before.is_symbol(","))
            {
                let room = self.tables.len() < NAMES_MAX;
                self.tables.extend(room.then_some(token.text));
            }
            return;
        }
        if top.clause == Clause::From && self.names_relation(at, token) {
            return;
        }
        if self.symbol_at(at + 1, ".") {
            return self.qualifies(at, token);
        }
        let dotted = self.symbol_at(at.wrapping_sub(1), ".");
        if dotted
            && self
                .before(at - 1)
                .is_some_and(|before| before.is_symbol(")") || before.is_symbol("]"))
        {
            calls::attribute(self, token);
        }
        let label = !dotted
            && self
                .before(at)
                .is_some_and(|before| before.is("as") || words::ends_operand(before));
        if !label {
            let secret = self.frames.len() > 1 || self.top(|top| top.left.is_some());
            let secret = secret && names::is_secret(token.text.trim_matches('"'));
            self.add(flag::COLUMN | if secret { flag::SECRET } else { 0 });
        }
    }

    pub(super) fn takes_type(&mut self, at: usize, token: &Token<'_>) {
        let cast = self.in_cast();
        let seen = self.top(|top| {
            top.expects_type = false;
            top.seen | top.arm.flags
        });
        if cast && names::is_number_type(&token.folded()) && calls::tells(seen, self.probed()) {
            self.found.add(signs::CAST);
        }
        if self.symbol_at(at + 1, ".") {
            self.top(|top| top.expects_type = true);
        }
    }

    /// A name where relations stand; false if it belongs to an expression.
    fn names_relation(&mut self, at: usize, token: &Token<'a>) -> bool {
        if self.symbol_at(at + 1, ".") {
            return self.frames.last().is_some_and(|top| top.expects_relation);
        }
        if !self.frames.last().is_some_and(|top| top.expects_relation) {
            self.remember_relation(token.text);
            return true;
        }
        self.remember_relation(token.text);
        let schema = if self.symbol_at(at.wrapping_sub(1), ".") {
            at.checked_sub(2)
                .and_then(|at| self.token(at))
                .map(|token| token.folded().into_owned())
        } else {
            None
        };
        let known = schema.is_none() && self.tables.iter().any(|table| table.eq_ignore_ascii_case(token.text));
        self.top(|top| top.expects_relation = false);
        if known {
            return true;
        }
        self.relation(names::relation(schema.as_deref(), &token.folded()));
        true
    }

    fn remember_relation(&mut self, name: &'a str) {
        let home = self.frames.last().map_or(0, |top| top.home);
        if let Some(home) = self.frames.get_mut(home)
            && home.relations.len() < NAMES_MAX
        {
            home.relations.push(name);
        }
    }

    fn relation(&mut self, relation: Relation) {
        let home = self.frames.last().map_or(0, |top| top.home);
        match relation {
            Relation::Own => self.own = true,
            Relation::Secrets => self.found.add(signs::SECRETS),
            Relation::Foreign => self.found.add(signs::foreign::RELATION),
            Relation::Catalogue => {}
        }
        let within = self.within();
        if matches!(relation, Relation::Secrets | Relation::Catalogue) {
            self.catalogue_within |= within;
            if let Some(home) = self.frames.get_mut(home) {
                home.block.catalogues += 1;
            }
        } else if let Some(home) = self.frames.get_mut(home) {
            home.block.own = true;
        }
    }

    fn qualifies(&mut self, at: usize, token: &Token<'a>) {
        let home = self.frames.last().map_or(0, |top| top.home);
        let called = self.symbol_at(at + 3, "(");
        if home > 0
            && !called
            && let Some(home) = self.frames.get_mut(home)
            && home.qualifiers.len() < NAMES_MAX
        {
            home.qualifiers.push(token.text);
        }
    }

    /// Whether a name stands for what the query itself reads.
    pub(super) fn is_correlated(&mut self, frame: &Frame<'a>) -> bool {
        let known = |name: &str| frame.relations.iter().any(|relation| same_name(relation, name));
        let outer: Vec<&'a str> = frame.qualifiers.iter().copied().filter(|name| !known(name)).collect();
        let correlated = !outer.is_empty() || frame.qualifiers.len() >= NAMES_MAX;
        let home = self.frames.last().map_or(0, |top| top.home);
        if home > 0
            && let Some(home) = self.frames.get_mut(home)
        {
            let room = NAMES_MAX.saturating_sub(home.qualifiers.len());
            home.qualifiers.extend(outer.into_iter().take(room));
        }
        correlated
    }
}

fn same_name(one: &str, other: &str) -> bool {
    one.trim_matches('"').eq_ignore_ascii_case(other.trim_matches('"'))
}

/// A quoted name with what only SQL has.
fn is_odd_name(text: &str) -> bool {
    let mut letters = false;
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        let next = bytes.peek();
        let odd = match byte {
            b'\'' => !(letters && next.is_some_and(u8::is_ascii_alphabetic)),
            b';' | b'=' => true,
            b'-' => next == Some(&b'-'),
            b'/' => next == Some(&b'*'),
            _ => false,
        };
        if odd {
            return true;
        }
        letters = byte.is_ascii_alphabetic();
    }
    false
}
