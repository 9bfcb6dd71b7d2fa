//! Pure. What a sub-select means where it stands, and whether the two sides of a union are alike.

use super::frame::{Block, Clause, Frame, Opened, flag};
use super::names::Called;
use super::signs;
use super::walk::Walk;
use crate::scan::Class;

/// What a parenthesis that is closed is made of, as far as it matters around it.
pub(super) fn close<'a>(walk: &mut Walk<'_, 'a, '_>, frame: &Frame<'a>) -> u32 {
    let flags = match frame.opened {
        Opened::Select => select(walk, frame),
        Opened::Statement | Opened::Group => frame.seen,
        Opened::Cast => frame.seen | flag::CALL,
        Opened::List => list(walk, frame),
        Opened::Case => case(walk, frame),
        Opened::Call(called) => call(walk, frame, called),
    };
    spliced(walk, frame, flags);
    flags
}

fn case(walk: &mut Walk<'_, '_, '_>, frame: &Frame<'_>) -> u32 {
    let number = walk.token(frame.at + 1).is_some_and(|first| {
        first.class == Class::Literal && first.text.starts_with(|digit: char| digit.is_ascii_digit())
    });
    if number && frame.probed && frame.seen & flag::VARIES == 0 {
        walk.found.add(signs::CASE_CONSTANT);
    }
    frame.seen & !flag::COMPARES | flag::CASE
}

fn list(walk: &mut Walk<'_, '_, '_>, frame: &Frame<'_>) -> u32 {
    let seen = frame.seen;
    let query = seen & (flag::SELECT | flag::BARE_SELECT) != 0 && seen & flag::COLUMN == 0;
    if query && seen & flag::LITERAL != 0 {
        walk.found.add(signs::MIXED_LIST);
    }
    seen
}

fn call(walk: &mut Walk<'_, '_, '_>, frame: &Frame<'_>, called: Option<Called>) -> u32 {
    let seen = frame.seen & !(flag::LIKE | flag::ALL | flag::COMPARES) | flag::CALL;
    let named = walk.before(frame.at);
    if seen & (flag::SELECT | flag::BARE_SELECT) != 0 && named.is_some_and(|name| name.is("xmlparse")) {
        walk.found.add(signs::XML);
    }
    seen | match called {
        Some(Called::Info) => flag::INFO,
        Some(Called::Bytes) => flag::BYTES,
        Some(Called::Letter) if seen & (flag::BYTES | flag::SELECT) != 0 => flag::LETTER,
        Some(Called::Volatile) => flag::VOLATILE,
        _ => 0,
    }
}

fn select<'a>(walk: &mut Walk<'_, 'a, '_>, frame: &Frame<'a>) -> u32 {
    const PASSED: u32 = flag::INFO | flag::SECRET | flag::BYTES | flag::LETTER | flag::PARAMETER;
    let block = &frame.block;
    let reads = block.from || frame.left.is_some_and(|left| left.from);
    let when = |holds: bool, flag: u32| if holds { flag } else { 0 };
    let exists = walk.before(frame.at).is_some_and(|before| before.is("exists"));
    let correlated = walk.is_correlated(frame);
    let flags = frame.seen & PASSED
        | if reads { flag::SELECT } else { flag::BARE_SELECT }
        | when(correlated, flag::COLUMN)
        | when(block.summary, flag::SUMMARY)
        | when(!block.filtered, flag::UNFILTERED)
        | when(exists, flag::EXISTS);
    if correlated || flags & flag::PARAMETER != 0 {
        return flags;
    }
    match frame.place {
        Clause::Limit if !block.summary => walk.found.add(signs::PROBE_ORDER),
        Clause::Order => walk.found.add(signs::PROBE_ORDER),
        Clause::Values | Clause::Set if block.flags & flag::SECRET != 0 => walk.found.add(signs::SECRET_VALUE),
        _ => {}
    }
    if frame.probed && block.catalogues >= 2 && block.summary && !block.filtered {
        walk.found.add(signs::HEAVY);
    }
    flags
}

/// A query that is joined to a literal where a literal alone was meant: `'' || (SELECT …) || ''`.
fn spliced(walk: &mut Walk<'_, '_, '_>, frame: &Frame<'_>, flags: u32) {
    let query = flags & (flag::SELECT | flag::BARE_SELECT) != 0 || flags & (flag::CASE | flag::VARIES) == flag::CASE;
    if !query || flags & (flag::COLUMN | flag::PARAMETER) != 0 {
        return;
    }
    // The name of a call stands before its parenthesis.
    let begin = frame.at - usize::from(matches!(frame.opened, Opened::Call(_) | Opened::Cast)).min(frame.at);
    let Some(place) = walk.frame().map(Frame::effective) else {
        return;
    };
    let (Some(operator), Some(operand)) = (walk.before(begin), begin.checked_sub(2).and_then(|at| walk.token(at)))
    else {
        return;
    };
    let literal = operand.class == Class::Literal;
    let value = place.is_probed() || matches!(place, Clause::Values | Clause::Set);
    let calculates = matches!(operator.text, "+" | "-" | "*" | "/") && place.is_probed() && flags & flag::SUMMARY == 0;
    if literal && (value && operator.is_symbol("||") || calculates) {
        walk.found.add(signs::SPLICE);
    }
}

/// Holds the arm of a union against the one before it.
pub(super) fn unite(walk: &mut Walk<'_, '_, '_>, left: &Block, right: &Block) {
    let spliced = left.filtered && left.ends_in_literal;
    if !left.from {
        return;
    }
    if right.catalogues > 0 && left.own {
        walk.catalogue_within = true;
    }
    if right.flags & flag::SECRET != 0 && left.flags & flag::SECRET == 0 {
        walk.found.add(signs::UNION_SECRET);
    }
    if !right.from {
        walk.found.add(match (spliced, right.flags & flag::INFO != 0) {
            (true, _) => signs::UNION_BARE,
            (false, true) => signs::UNION_INFO,
            (false, false) => signs::UNION_ROW,
        });
        return;
    }
    let alike = !left.star && left.items == right.items;
    let filled = right.constants & if alike { !left.constants } else { u64::MAX };
    let count = filled.count_ones();
    let all_but_one = right.items >= 2 && count + 1 >= right.items;
    match (spliced, all_but_one) {
        (true, true) => walk.found.add(signs::UNION_SPLICED),
        (false, true) => walk.found.add(signs::UNION_FILLED),
        (true, false) if count >= 2 && count * 2 >= right.items => walk.found.add(signs::UNION_FILLED),
        _ => {}
    }
}
