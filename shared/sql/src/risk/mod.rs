//! Pure. How much a statement looks like one that was injected, or like one that an application has no business to send.
//!
//! A statement is judged by what it is made of: tokens, clauses, arms of conditions, calls, comments. What stands inside
//! a literal is never looked for words, so a text that a user typed is harmless however it reads, as long as it is
//! quoted. Few rules look at the value of a literal (whether `1=2` is true); those say so, and [`Statement::keeps_literals`]
//! is true of such a text. Comments are judged by their words, and [`skeleton`](crate::skeleton) keeps those that are not
//! [plain](comments::is_plain).
//!
//! Each rule counts once in a text, with the gravest of what it saw; the sum is capped. One pass over the tokens, with a
//! bounded stack: the cost is linear, whatever is sent.
//!
//! [`Statement::keeps_literals`]: crate::Statement::keeps_literals

mod arms;
mod calls;
pub(crate) mod comments;
mod frame;
mod heads;
mod lexical;
mod names;
mod reads;
mod selects;
mod signs;
mod walk;
mod words;

use std::sync::Arc;

use crate::scan::Token;

pub use signs::RULES;

/// From here on a statement is worth a look: it is never learnt as harmless by itself.
pub const SUSPICIOUS: u16 = 30;

/// From here on a statement is taken for an attack, or for one that only an administrator sends.
pub const DANGEROUS: u16 = 50;

/// No sum is higher.
const SCORE_MAX: u16 = 100;

/// What was seen in a statement that speaks against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    /// The sum of the signs' weights, at most 100. To be held against [`SUSPICIOUS`] and [`DANGEROUS`].
    pub score: u16,
    /// What was seen, the gravest first; no rule twice.
    pub signs: Vec<Sign>,
}

/// One thing that speaks against a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// The rule's name, one of [`RULES`].
    pub rule: &'static str,
    /// How much it adds to the score.
    pub weight: u16,
    /// What was seen, as one sentence; nothing of the statement itself.
    pub words: &'static str,
    /// Whether it is nothing for an application's role, however well known the statement is: files and programs of the
    /// server, privileges and identities.
    pub forbidden: bool,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Found {
    signs: Vec<Sign>,
    /// Whether the value of a literal decided.
    by_value: bool,
}

impl Found {
    /// Adds a sign; of two of one rule the graver stays, and one that is forbidden before one that is not.
    fn add(&mut self, sign: Sign) {
        match self.signs.iter_mut().find(|known| known.rule == sign.rule) {
            Some(known) if (known.forbidden, known.weight) < (sign.forbidden, sign.weight) => *known = sign,
            Some(_) => {}
            None => self.signs.push(sign),
        }
    }

    fn verdict(mut self) -> Verdict {
        self.signs
            .sort_by_key(|sign| (std::cmp::Reverse(sign.weight), sign.rule));
        let sum = self
            .signs
            .iter()
            .fold(0_u16, |sum, sign| sum.saturating_add(sign.weight));
        Verdict {
            by_value: self.by_value,
            risk: (!self.signs.is_empty()).then(|| {
                Arc::new(Risk {
                    score: sum.min(SCORE_MAX),
                    signs: self.signs,
                })
            }),
        }
    }
}

/// What is thought of a text.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// What was seen; none for nearly all.
    pub(crate) risk: Option<Arc<Risk>>,
    /// Whether it hangs on the value of a literal.
    pub(crate) by_value: bool,
}

/// Judges the statements of a text that parses.
pub(crate) fn of(sql: &str, tokens: &[Token<'_>], statements: &[&[Token<'_>]]) -> Verdict {
    let mut found = Found::default();
    for statement in statements {
        heads::judge(statement, &mut found);
        walk::judge(statement, statements.len() == 1, &mut found);
    }
    comments::judge(sql, tokens, &mut found);
    heads::stacked(statements, &mut found);
    found.verdict()
}

/// Judges a text that does not parse: its tokens, or the bare text where it does not even scan.
pub(crate) fn of_unparsed(sql: &str, tokens: Option<&[Token<'_>]>) -> Option<Arc<Risk>> {
    let mut found = Found::default();
    match tokens {
        Some(tokens) => lexical::judge_tokens(sql, tokens, &mut found),
        None => lexical::judge_raw(sql, &mut found),
    }
    found.verdict().risk
}
