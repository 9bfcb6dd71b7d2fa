//! Pure. One arm of a condition: whether it can be anything else than what it is, and what it asks.

use super::frame::{Arm, Clause, Joined, Opened, flag};
use super::signs;
use super::walk::Walk;
use crate::builtin;
use crate::scan::{Class, Token};

/// Longer arms are not compared with themselves, nor looked for in those before them.
const ARM_TOKENS_MAX: usize = 32;

/// Judges the arm under way, which ends before the token at this place.
pub(super) fn judge(walk: &mut Walk<'_, '_, '_>, at: usize) {
    let Some(frame) = walk.frame() else { return };
    let (arm, clause) = (frame.arm, frame.effective());
    let (equals_literal, probed, opened) = (frame.equals_literal, frame.probed, frame.opened);
    let has = |flags: u32| arm.flags & flags != 0;
    let condition = clause.is_condition() || arm.joined != Joined::First;
    if !condition {
        return;
    }
    let secret = has(flag::SECRET) && has(flag::BYTES);
    if has(flag::COMPARES) && (has(flag::LETTER) || secret && has(flag::LITERAL)) && !has(flag::PARAMETER) {
        walk.found.add(signs::PROBE_LETTER);
    }
    if has(flag::SELECT) && !has(flag::COLUMN | flag::PARAMETER) {
        query(walk, arm, probed && clause == Clause::When);
    } else if !has(flag::VARIES) && has(flag::ANYTHING) {
        match arm.joined {
            Joined::First => first(walk, arm, clause, at, probed && opened == Opened::Case),
            Joined::And => and(walk, arm, at),
            Joined::Or => or(walk, arm, at),
        }
    } else if arm.joined != Joined::First {
        with_column(walk, arm, at, equals_literal);
    }
}

/// What stands before the word that joins the arm.
fn joint<'t, 'a>(walk: &Walk<'t, 'a, '_>, arm: Arm) -> Option<&'t Token<'a>> {
    arm.from.checked_sub(2).and_then(|at| walk.token(at))
}

/// Whether the arm stands behind a literal, where one that was sent ends.
fn behind_literal(walk: &Walk<'_, '_, '_>, arm: Arm) -> bool {
    let before = walk.tokens.get(..arm.from.saturating_sub(1)).unwrap_or_default();
    let last = before.iter().rev().find(|token| !token.is_symbol(")"));
    last.is_some_and(|last| last.class == Class::Literal)
}

fn query(walk: &mut Walk<'_, '_, '_>, arm: Arm, chooses: bool) {
    let has = |flags: u32| arm.flags & flags != 0;
    let spliced = arm.joined != Joined::First && behind_literal(walk, arm);
    if !has(flag::COMPARES | flag::EXISTS) {
        return;
    }
    walk.found.add(match (has(flag::EXISTS), spliced) {
        _ if has(flag::SECRET | flag::BYTES | flag::LETTER) => signs::PROBE_LETTER,
        (false, true) => signs::PROBE,
        (true, true) if has(flag::UNFILTERED) => signs::PROBE,
        (false, false) if chooses => signs::PROBE,
        (false, false) if arm.joined != Joined::First => signs::PROBE_LOOSE,
        _ => signs::PROBE_FIRST,
    });
}

fn first(walk: &mut Walk<'_, '_, '_>, arm: Arm, clause: Clause, at: usize, chooses: bool) {
    if arm.flags & (flag::VOLATILE | flag::NULL) != 0 || arm.flags & flag::COMPARES == 0 {
        return;
    }
    let tokens = walk.tokens.get(arm.from..at).unwrap_or_default();
    let texts = tokens
        .iter()
        .all(|token| token.class != Class::Literal || token.text.starts_with('\''));
    if calls_own(tokens) {
        return;
    }
    match clause {
        Clause::When if chooses && !(texts && arm.flags & flag::LITERAL != 0) => walk.found.add(signs::CASE_CONSTANT),
        Clause::When => walk.found.add(signs::CASE_LOOSE),
        Clause::Having => walk.found.add(signs::HAVING_CONSTANT),
        _ => {}
    }
}

fn and(walk: &mut Walk<'_, '_, '_>, arm: Arm, at: usize) {
    let tokens = walk.tokens.get(arm.from..at).unwrap_or_default();
    if arm.flags & flag::VOLATILE != 0 || calls_own(tokens) {
        return;
    }
    let literal = behind_literal(walk, arm);
    let parameter = joint(walk, arm).is_some_and(|token| token.class == Class::Parameter);
    if arm.flags & flag::TRUTH != 0 && arm.flags & flag::COMPARES == 0 {
        if literal {
            walk.found.add(signs::AND_TRUTH);
        }
        return;
    }
    walk.found.by_value = true;
    let core = core(tokens);
    let binary = is_binary(&core);
    match (literal, binary, truth(&core)) {
        // What builders of queries write for a list that is empty.
        (false, true, _) => {}
        (true, true, Some(false)) => walk.found.add(signs::AND_NOTHING),
        (true, _, _) => walk.found.add(signs::AND_CONSTANT),
        (false, false, _) if parameter => {}
        // `pi() = 3`: a function of PostgreSQL's own that is given nothing but constants.
        (false, false, _) if arm.flags & (flag::INFO | flag::NULL) == 0 && arm.flags & flag::COMPARES != 0 => {
            walk.found.add(signs::AND_CONSTANT);
        }
        (false, false, _) => walk.found.add(signs::AND_CONSTANT_LOOSE),
    }
}

fn or(walk: &mut Walk<'_, '_, '_>, arm: Arm, at: usize) {
    let tokens = walk.tokens.get(arm.from..at).unwrap_or_default();
    if calls_own(tokens) {
        return;
    }
    if arm.flags & flag::VOLATILE != 0 {
        return walk.found.add(signs::OR_PRESENT);
    }
    walk.found.by_value = true;
    let optional = truth(&core(tokens)) == Some(false) && stands_before(walk, arm, tokens) || is_empty_list(walk, arm);
    let parameter = joint(walk, arm).is_some_and(|token| token.class == Class::Parameter);
    walk.found.add(match (optional, parameter) {
        (true, _) => signs::OR_OPTIONAL,
        (false, true) => signs::OR_CONSTANT_PARAMETER,
        (false, false) => signs::OR_CONSTANT,
    });
}

/// `a NOT IN (NULL) OR (1 = 1)`, as SQLAlchemy writes a list that is empty.
fn is_empty_list(walk: &Walk<'_, '_, '_>, arm: Arm) -> bool {
    let before = walk.tokens.get(..arm.from.saturating_sub(1)).unwrap_or_default();
    matches!(before, [.., not, list, _, null, close]
        if not.is("not") && list.is("in") && null.is("null") && close.is_symbol(")"))
}

/// Whether one of the arm's literals stands in the arms before it: `name = 'x' OR 'x' = ''`, which a program wrote.
fn stands_before(walk: &Walk<'_, '_, '_>, arm: Arm, tokens: &[Token<'_>]) -> bool {
    let from = arm.from.saturating_sub(ARM_TOKENS_MAX * 2);
    let before = walk.tokens.get(from..arm.from).unwrap_or_default();
    let literals = |token: &&Token<'_>| token.class == Class::Literal;
    tokens.len() <= ARM_TOKENS_MAX
        && tokens
            .iter()
            .filter(literals)
            .any(|one| before.iter().filter(literals).any(|other| one.text == other.text))
}

/// Whether a function is called that is not PostgreSQL's own: only the application knows what it says.
fn calls_own(tokens: &[Token<'_>]) -> bool {
    tokens.windows(2).take(ARM_TOKENS_MAX).any(|pair| {
        let [name, open] = pair else { return false };
        open.is_symbol("(") && name.class == Class::Name && !builtin::is_function(&name.folded())
    })
}

fn with_column(walk: &mut Walk<'_, '_, '_>, arm: Arm, at: usize, equals_literal: bool) {
    let tokens = walk.tokens.get(arm.from..at).unwrap_or_default();
    let or = arm.joined == Joined::Or;
    if same_sides(tokens, arm) {
        walk.found.add(if or { signs::OR_SAME } else { signs::AND_SAME });
    }
    if or && equals_literal && arm.flags & (flag::LIKE | flag::ALL) == flag::LIKE | flag::ALL {
        walk.found.add(signs::OR_ALL);
    }
}

/// `a = a`, `a >= a`, `a LIKE a`.
fn same_sides(tokens: &[Token<'_>], arm: Arm) -> bool {
    let Some(operator) = arm.operator.and_then(|at| at.checked_sub(arm.from)) else {
        return false;
    };
    let sides = tokens
        .split_at_checked(operator)
        .filter(|_| tokens.len() <= ARM_TOKENS_MAX);
    let Some((left, [operator, right @ ..])) = sides else {
        return false;
    };
    let holds = operator.is_any(&["like", "ilike"]) || ["=", "<=", ">="].contains(&operator.text);
    holds
        && left.len() == right.len()
        && !left.is_empty()
        && left
            .iter()
            .zip(right)
            .all(|(left, right)| left.folded() == right.folded())
}

/// The arm without the parentheses around it and without casts: `('x'::text = '')` is `'x' = ''`.
fn core<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<&'t Token<'a>> {
    let mut core = Vec::new();
    let mut tokens = tokens.iter().take(ARM_TOKENS_MAX);
    while let Some(token) = tokens.next() {
        match token.text {
            "::" => drop(tokens.next()),
            "(" | ")" => {}
            _ => core.push(token),
        }
    }
    core
}

/// `1 = 0` and its like.
fn is_binary(core: &[&Token<'_>]) -> bool {
    let bit = |token: &Token<'_>| matches!(token.text, "0" | "1");
    matches!(core, [left, operator, right] if bit(left) && bit(right) && matches!(operator.text, "=" | "<>" | "!="))
}

/// Whether a comparison of two literals holds, where that is plain.
fn truth(core: &[&Token<'_>]) -> Option<bool> {
    match core {
        [value, is, null] if is.is("is") && null.is("null") => Some(value.is("null")),
        [value, is, not, null] if is.is("is") && not.is("not") && null.is("null") => Some(!value.is("null")),
        [left, operator, right] => compare(left, operator.text, right),
        _ => None,
    }
}

fn compare(left: &Token<'_>, operator: &str, right: &Token<'_>) -> Option<bool> {
    if left.class != Class::Literal || right.class != Class::Literal {
        return None;
    }
    let ordering = match (left.text.parse::<f64>(), right.text.parse::<f64>()) {
        (Ok(left), Ok(right)) => left.partial_cmp(&right)?,
        _ => {
            let texts = left.text.starts_with('\'') && right.text.starts_with('\'');
            texts.then(|| left.text.cmp(right.text))?
        }
    };
    match operator {
        "=" => Some(ordering.is_eq()),
        "<>" | "!=" => Some(ordering.is_ne()),
        "<" if left.text.starts_with(|first: char| first.is_ascii_digit()) => Some(ordering.is_lt()),
        ">" if left.text.starts_with(|first: char| first.is_ascii_digit()) => Some(ordering.is_gt()),
        _ => None,
    }
}
