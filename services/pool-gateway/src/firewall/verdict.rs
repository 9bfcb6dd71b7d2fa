//! What is thought of one statement: let through, told of, or refused. Pure.
//!
//! | | looks harmless | suspicious | dangerous |
//! | --- | --- | --- | --- |
//! | known | passes | passes, noted | passes only where a person approved it at that score |
//! | unknown, `monitor` | passes, noted in the list | told, where there is a list | told |
//! | unknown, `enforce`, balanced | passes, noted in the list | refused | refused |
//! | unknown, `enforce`, strict | refused | refused | refused |
//!
//! What is forbidden to a role is refused in `enforce` however it looks, and whoever approved it.

use weir_proto::common::v1::Severity;
use weir_sql::{Kind, Risk, SUSPICIOUS, Sign, Statement};

use crate::settings::{FirewallMode, Strictness};

/// Statements that are not on the list, where the list decides.
pub(crate) const UNKNOWN_SHAPE: &str = "unknown-shape";
/// Statements of which nobody can say what they do.
pub(crate) const UNREADABLE: &str = "unreadable";

/// What holds for a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) mode: FirewallMode,
    /// From this score on a statement is dangerous.
    pub(crate) threshold: u16,
    pub(crate) strictness: Strictness,
    /// Whether files, other servers and rights are forbidden to who is no superuser.
    pub(crate) forbidden: bool,
}

impl Terms {
    /// The same in one number.
    pub(crate) fn packed(self) -> u32 {
        let mode = FirewallMode::ALL.iter().position(|mode| *mode == self.mode);
        let flags = u32::from(self.strictness == Strictness::Strict) << 16 | u32::from(self.forbidden) << 17;
        u32::from(self.threshold) | flags | u32::try_from(mode.unwrap_or_default()).unwrap_or_default() << 18
    }

    /// And back.
    pub(crate) fn unpacked(packed: u32) -> Self {
        let mode = usize::try_from(packed >> 18).unwrap_or_default();
        Self {
            mode: FirewallMode::ALL.get(mode).copied().unwrap_or(FirewallMode::Monitor),
            threshold: u16::try_from(packed & 0xffff).unwrap_or(u16::MAX),
            strictness: if packed & 1 << 16 == 0 {
                Strictness::Balanced
            } else {
                Strictness::Strict
            },
            forbidden: packed & 1 << 17 != 0,
        }
    }

    /// From this score on a statement is suspicious.
    pub(crate) fn suspicious(self) -> u16 {
        SUSPICIOUS.min(self.threshold)
    }
}

/// What the list says of a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing, or that it waits for a person.
    No,
    /// It was learned.
    Learned,
    /// A person let it through, up to this score.
    Approved(u16),
}

/// What a statement is judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'s> {
    pub(crate) risk: Option<&'s Risk>,
    pub(crate) is_readable: bool,
    pub(crate) known: Known,
    /// Whether not to be on the list means anything: there is a list, and it did not prove wrong.
    pub(crate) list_counts: bool,
    /// Whether nothing is forbidden to the role.
    pub(crate) is_exempt: bool,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// Nothing.
    Pass,
    /// It is told of.
    Report,
    /// It is refused, and told of.
    Block,
}

/// What comes of a statement, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) action: Action,
    /// The rule that it breaks. Empty where it passes.
    pub(crate) rule: &'static str,
    /// What that means, in a sentence.
    pub(crate) words: &'static str,
    pub(crate) severity: Severity,
    /// Whether it is refused for no other reason than that it is not on the list.
    pub(crate) is_for_the_list: bool,
}

const PASS: Verdict = Verdict {
    action: Action::Pass,
    rule: "",
    words: "",
    severity: Severity::Unspecified,
    is_for_the_list: false,
};

/// Whether nothing has to be known of a text: it only begins or ends transactions, or is empty.
pub(crate) fn is_nothing(statement: &Statement) -> bool {
    statement.statements == 0 || statement.kind == Kind::Transaction
}

/// Judges a statement.
pub(crate) fn judge(terms: Terms, facts: Facts<'_>) -> Verdict {
    let judged = Judged::new(terms, facts);
    if terms.mode == FirewallMode::Off {
        return PASS;
    }
    if terms.mode == FirewallMode::Enforce
        && let Some(verdict) = judged.refused()
    {
        return verdict;
    }
    judged.told().unwrap_or(PASS)
}

/// The score of a statement without what is forbidden.
fn score_of_the_rest(risk: &Risk) -> u16 {
    let rest = risk.signs.iter().filter(|sign| !sign.forbidden);
    rest.fold(0_u16, |sum, sign| sum.saturating_add(sign.weight))
        .min(risk.score)
}

struct Judged<'s> {
    terms: Terms,
    facts: Facts<'s>,
    score: u16,
    /// Without what this role may do.
    counted: u16,
    is_approved: bool,
}

impl<'s> Judged<'s> {
    fn new(terms: Terms, facts: Facts<'s>) -> Self {
        let score = facts.risk.map_or(0, |risk| risk.score);
        Self {
            terms,
            facts,
            score,
            counted: match facts.risk {
                Some(risk) if facts.is_exempt => score_of_the_rest(risk),
                _ => score,
            },
            is_approved: matches!(facts.known, Known::Approved(up_to) if score <= up_to),
        }
    }

    fn refused(&self) -> Option<Verdict> {
        if let Some(sign) = self.forbidden() {
            return Some(of(Action::Block, sign, Severity::Critical));
        }
        if self.is_approved {
            return None;
        }
        if self.counted >= self.terms.threshold {
            return Some(of(Action::Block, self.gravest()?, Severity::Critical));
        }
        if !self.facts.is_readable {
            return Some(Verdict {
                action: Action::Block,
                rule: UNREADABLE,
                words: "nobody can say what the statement does",
                severity: Severity::Warning,
                is_for_the_list: false,
            });
        }
        if self.facts.known != Known::No {
            return None;
        }
        if self.counted >= self.terms.suspicious() {
            return Some(of(Action::Block, self.gravest()?, Severity::Warning));
        }
        let is_strict = self.terms.strictness == Strictness::Strict && self.facts.list_counts;
        is_strict.then_some(Verdict {
            action: Action::Block,
            rule: UNKNOWN_SHAPE,
            words: "the statement is not on the list of those that this user sends",
            severity: Severity::Warning,
            is_for_the_list: true,
        })
    }

    fn told(&self) -> Option<Verdict> {
        if let Some(sign) = self.forbidden() {
            return Some(of(Action::Report, sign, Severity::Critical));
        }
        if self.is_approved {
            return None;
        }
        if self.score >= self.terms.threshold {
            return Some(of(Action::Report, self.gravest()?, Severity::Critical));
        }
        if self.score < self.terms.suspicious() || self.terms.mode == FirewallMode::Learn {
            return None;
        }
        // Where nobody has said what is usual, what is merely suspicious is no news: it would be told of for ever.
        if !self.facts.list_counts {
            return None;
        }
        let severity = if self.facts.known == Known::No {
            Severity::Warning
        } else {
            Severity::Info
        };
        Some(of(Action::Report, self.gravest()?, severity))
    }

    /// What the role may not do, whatever it scores.
    fn forbidden(&self) -> Option<&'s Sign> {
        if self.facts.is_exempt {
            return None;
        }
        self.facts.risk?.signs.iter().find(|sign| sign.forbidden)
    }

    fn gravest(&self) -> Option<&'s Sign> {
        let signs = &self.facts.risk?.signs;
        let counts = |sign: &&Sign| !(self.facts.is_exempt && sign.forbidden);
        signs.iter().find(counts).or_else(|| signs.first())
    }
}

const fn of(action: Action, sign: &Sign, severity: Severity) -> Verdict {
    Verdict {
        action,
        rule: sign.rule,
        words: sign.words,
        severity,
        is_for_the_list: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Known = Known::No;
    const TERMS: Terms = Terms {
        mode: FirewallMode::Enforce,
        threshold: 50,
        strictness: Strictness::Balanced,
        forbidden: true,
    };

    fn risk(score: u16, forbidden: bool) -> Risk {
        let sign = Sign {
            rule: "tautology",
            weight: score,
            words: "",
            forbidden,
        };
        Risk {
            score,
            signs: vec![sign],
        }
    }

    fn action(mode: FirewallMode, strictness: Strictness, known: Known, score: u16) -> Action {
        let risk = risk(score, false);
        let facts = Facts {
            risk: (score > 0).then_some(&risk),
            is_readable: true,
            known,
            list_counts: true,
            is_exempt: false,
        };
        let terms = Terms {
            mode,
            strictness,
            ..TERMS
        };
        judge(terms, facts).action
    }

    #[test]
    fn each_cell_of_the_table_holds() {
        use Action::{Block, Pass, Report};
        use FirewallMode::{Enforce, Learn, Monitor, Off};
        use Strictness::{Balanced, Strict};
        let rows = [
            (Off, Balanced, NONE, [Pass, Pass, Pass]),
            (Learn, Balanced, NONE, [Pass, Pass, Report]),
            (Monitor, Balanced, NONE, [Pass, Report, Report]),
            (Monitor, Balanced, Known::Learned, [Pass, Report, Report]),
            (Enforce, Balanced, NONE, [Pass, Block, Block]),
            (Enforce, Strict, NONE, [Block, Block, Block]),
            (Enforce, Strict, Known::Learned, [Pass, Report, Block]),
            (Enforce, Strict, Known::Approved(49), [Pass, Pass, Block]),
            (Enforce, Strict, Known::Approved(90), [Pass, Pass, Pass]),
        ];
        for (mode, strictness, known, expected) in rows {
            let found = [0, 40, 60].map(|score| action(mode, strictness, known, score));
            assert_eq!(found, expected, "{mode:?} {strictness:?} {known:?}");
        }
    }

    #[test]
    fn what_is_forbidden_is_so_whoever_approved_it_but_not_to_a_superuser() {
        let risk = risk(60, true);
        let facts = |is_exempt| Facts {
            risk: Some(&risk),
            is_readable: true,
            known: Known::Approved(100),
            list_counts: true,
            is_exempt,
        };
        assert_eq!(judge(TERMS, facts(false)).action, Action::Block);
        assert_eq!(judge(TERMS, facts(true)).action, Action::Pass);
    }

    #[test]
    fn without_a_list_only_what_is_dangerous_is_told() {
        let told = |score| {
            let risk = risk(score, false);
            let facts = Facts {
                risk: Some(&risk),
                is_readable: true,
                known: NONE,
                list_counts: false,
                is_exempt: false,
            };
            let terms = Terms {
                mode: FirewallMode::Monitor,
                ..TERMS
            };
            judge(terms, facts).action
        };
        assert_eq!([told(40), told(50)], [Action::Pass, Action::Report]);
    }
}
