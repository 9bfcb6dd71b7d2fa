//! Which server answers what only reads. Pure: takes facts and a throw of dice, and decides.
//!
//! Causal order comes before everything else: who has written, or has read something newer, is answered by nobody who
//! is behind that. Among those who may answer, the one with the least work for its speed does.

use weir_sql::{Deed, Kind, Statement};

use crate::pool::Lsn;

/// What a client says of a statement in a comment at its beginning or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    None,
    /// `/* weir:primary */`
    Primary,
    /// `/* weir:replica */`: whatever functions it calls, they only read.
    Replica,
}

/// The hint of a statement.
pub(crate) fn hint(sql: &[u8]) -> Hint {
    let sql = sql.trim_ascii();
    let sql = sql.strip_suffix(b";").unwrap_or(sql).trim_ascii_end();
    let leading = sql
        .strip_prefix(b"/*")
        .and_then(|rest| rest.split(|byte| *byte == b'*').next());
    let trailing = sql
        .strip_suffix(b"*/")
        .and_then(|rest| rest.rsplit(|byte| *byte == b'*').next());
    let said = [leading, trailing].into_iter().flatten();
    said.map(<[u8]>::trim_ascii)
        .find_map(|words| match words {
            b"weir:primary" => Some(Hint::Primary),
            b"weir:replica" => Some(Hint::Replica),
            _ => None,
        })
        .unwrap_or(Hint::None)
}

/// Whether a statement may be answered by a replica.
pub(crate) fn may_leave(statement: &Statement, hint: Hint) -> bool {
    match hint {
        Hint::Primary => false,
        Hint::None => statement.anywhere && statement.deeds.is_empty(),
        Hint::Replica => {
            let only_reads = statement.kind == Kind::Select && !statement.writes && !statement.locks;
            let calls = |deed: &Deed| matches!(deed, Deed::Calls { .. });
            only_reads && statement.parsed && statement.statements == 1 && statement.deeds.iter().all(calls)
        }
    }
}

/// Whether nobody minds that a statement is done twice: it only reads, whoever answers it.
pub(crate) fn may_be_asked_again(statement: &Statement, hint: Hint) -> bool {
    let hint = match hint {
        Hint::Primary => Hint::None,
        other => other,
    };
    may_leave(statement, hint)
}

/// Whether a transaction that begins so may be answered by a replica: it only reads, and each of its statements sees what
/// is committed when it begins, so that one may be answered elsewhere than the one before.
pub(crate) fn begins_reading(begin: &str) -> bool {
    const WORDS: [&str; 10] = [
        "begin",
        "committed",
        "deferrable",
        "isolation",
        "level",
        "only",
        "read",
        "start",
        "transaction",
        "work",
    ];
    let text = begin.trim().trim_end_matches(';').to_ascii_lowercase();
    let words: Vec<&str> = text
        .split([' ', ',', '\n', '\t'])
        .filter(|word| !word.is_empty())
        .collect();
    let has = |pair: [&str; 2]| words.windows(2).any(|found| found == pair);
    let states_isolation = words.contains(&"isolation");
    words.iter().all(|word| WORDS.contains(word))
        && has(["read", "only"])
        && (!states_isolation || has(["read", "committed"]))
}

/// Whether a statement does nothing but end the transaction.
pub(crate) fn ends_transaction(statement: &Statement) -> bool {
    let [deed] = &*statement.deeds else { return false };
    statement.statements == 1 && matches!(deed, Deed::Commit { chain: false } | Deed::Rollback { chain: false })
}

/// Whether a statement that ended may have written something that its session has to find again.
pub(crate) fn may_have_written(statement: &Statement) -> bool {
    let is_control = statement.kind == Kind::Transaction && !statement.writes;
    let only_reads = statement.anywhere && statement.deeds.is_empty();
    !(is_control || only_reads)
}

/// Whether a read that failed with this code on a replica may succeed on the primary: it conflicted with what is being
/// replayed, needs what a standby has not or not yet, or the server went away.
pub(crate) fn may_ask_again(sqlstate: &[u8; 5]) -> bool {
    matches!(
        sqlstate,
        [b'0', b'8' | b'A', ..]
            | [b'2', b'5', ..]
            | [b'3', b'D' | b'F', ..]
            | [b'4', b'0' | b'2', ..]
            | [b'5', b'3' | b'5' | b'8', ..]
            | [b'5', b'7', b'P', ..]
            | [b'X', b'X', ..]
    )
}

/// Whether an error says that the server itself is about to go, or full.
pub(crate) fn is_end_of_server(sqlstate: &[u8; 5]) -> bool {
    matches!(sqlstate, [b'5', b'7', b'P', ..] | [b'5', b'3', ..] | [b'0', b'8', ..])
}

/// One who might answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Candidate {
    /// The moment of which it has everything.
    pub(crate) fresh_as_of: u64,
    /// How far it has replayed the log.
    pub(crate) replayed: Lsn,
    /// Reads that it answers now, and how long they took lately.
    pub(crate) outstanding: usize,
    pub(crate) latency_us: u64,
}

/// What who asks has to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Needs {
    /// Everything that was committed up to this moment.
    pub(crate) after: u64,
    /// At least what was seen at this moment.
    pub(crate) seen: u64,
    /// The log up to here.
    pub(crate) position: Lsn,
}

impl Needs {
    const fn are_met_by(self, candidate: Candidate) -> bool {
        candidate.fresh_as_of > self.after
            && candidate.fresh_as_of >= self.seen
            && candidate.replayed.0 >= self.position.0
    }
}

/// The number of the one who answers: the better of two that are drawn. None where nobody meets the needs.
pub(crate) fn choose(candidates: &[Candidate], needs: Needs, dice: usize) -> Option<usize> {
    let meeting = || {
        candidates
            .iter()
            .enumerate()
            .filter(|(_, each)| needs.are_met_by(**each))
    };
    let count = meeting().count();
    if count == 0 {
        return None;
    }
    let first = dice % count;
    let second = (first + 1 + dice / count % count.saturating_sub(1).max(1)) % count;
    let cost = |each: &Candidate| each.latency_us.max(1).saturating_mul(each.outstanding as u64 + 1);
    let drawn = [first, second].into_iter().filter_map(|at| meeting().nth(at));
    drawn.min_by_key(|(_, each)| cost(each)).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use weir_sql::{Limits, analyse};

    use super::*;

    fn read(sql: &str) -> Statement {
        analyse(sql, Limits::default())
    }

    #[test]
    fn a_hint_stands_at_the_beginning_or_the_end() {
        for (sql, expected) in [
            ("/* weir:primary */ select 1", Hint::Primary),
            ("  /*weir:replica*/select 1", Hint::Replica),
            ("select 1 /* weir:replica */ ;", Hint::Replica),
            ("select 1 -- weir:replica", Hint::None),
            ("select '/* weir:replica */'", Hint::None),
            ("select 1 /* weir:replicas */", Hint::None),
            ("/* weir:primary */ select 1 /* app */", Hint::Primary),
            ("/* trace */ select 1 /* weir:primary */", Hint::Primary),
            ("/*", Hint::None),
            ("", Hint::None),
        ] {
            assert_eq!(hint(sql.as_bytes()), expected, "{sql}");
        }
    }

    #[test]
    fn only_plain_reads_leave_the_primary_and_a_hint_vouches_for_functions_only() {
        for (sql, alone, hinted) in [
            ("select a from t", true, true),
            ("select f(a) from t", false, true),
            ("select pg_is_in_recovery()", false, true),
            ("select nextval('s')", false, false),
            ("select a from t for share", false, false),
            ("select set_config('a.b', 'c', false)", false, false),
            ("insert into t values (1)", false, false),
            ("select 1; select 2", false, false),
        ] {
            let statement = read(sql);
            let verdicts = [Hint::None, Hint::Replica, Hint::Primary].map(|hint| may_leave(&statement, hint));
            assert_eq!(verdicts, [alone, hinted, false], "{sql}");
        }
    }

    #[test]
    fn a_transaction_that_only_reads_says_so_and_asks_for_no_snapshot() {
        for begin in [
            "begin read only",
            "BEGIN TRANSACTION READ ONLY;",
            "start transaction isolation level read committed, read only",
            "begin isolation level read committed read only deferrable",
        ] {
            assert!(begins_reading(begin), "{begin}");
        }
        for begin in [
            "begin",
            "begin read write",
            "begin isolation level read committed",
            "begin isolation level repeatable read, read only",
            "begin isolation level serializable read only deferrable",
            "begin /* read only */",
            "start transaction read only, read write",
        ] {
            assert!(!begins_reading(begin), "{begin}");
        }
        for (sql, expected) in [
            ("commit", true),
            ("end", true),
            ("rollback", true),
            ("commit and chain", false),
        ] {
            assert_eq!(ends_transaction(&read(sql)), expected, "{sql}");
        }
        assert!(!ends_transaction(&read("rollback to a")) && !ends_transaction(&read("commit; select 1")));
    }

    #[test]
    fn what_may_have_written_is_remembered_and_a_bare_transaction_is_not() {
        for (sql, expected) in [
            ("select a from t", false),
            ("begin", false),
            ("commit", false),
            ("insert into t values (1)", true),
            ("select f()", true),
            ("commit prepared 'x'", true),
            ("set a.b = 'c'", true),
            ("nonsense", true),
        ] {
            assert_eq!(may_have_written(&read(sql)), expected, "{sql}");
        }
    }

    #[test]
    fn conflicts_and_lost_servers_are_asked_again_and_errors_of_the_data_are_not() {
        for code in [
            b"25006", b"40001", b"40P01", b"42P01", b"0A000", b"55000", b"57P01", b"53300",
        ] {
            assert!(may_ask_again(code), "{code:?}");
        }
        for code in [b"22012", b"57014", b"23505", b"P0001", b"21000", b"54000"] {
            assert!(!may_ask_again(code), "{code:?}");
        }
        assert!(is_end_of_server(b"57P01") && !is_end_of_server(b"40001"));
    }

    fn candidate(fresh_as_of: u64, latency_us: u64, outstanding: usize) -> Candidate {
        Candidate {
            fresh_as_of,
            replayed: Lsn(fresh_as_of * 100),
            outstanding,
            latency_us,
        }
    }

    #[test]
    fn nobody_answers_who_is_behind_what_the_session_knows() {
        let candidates = [candidate(10, 1, 0), candidate(20, 1, 9)];
        for (after, seen, position, expected) in [
            (0, 0, 0, Some(0)),
            (9, 0, 0, Some(0)),
            (10, 0, 0, Some(1)),
            (0, 11, 0, Some(1)),
            (0, 20, 2000, Some(1)),
            (20, 0, 0, None),
            (0, 0, 2001, None),
        ] {
            let needs = Needs {
                after,
                seen,
                position: Lsn(position),
            };
            for dice in 0..7 {
                assert_eq!(choose(&candidates, needs, dice), expected, "{needs:?}");
            }
        }
        let none = candidate(0, 0, 0);
        assert_eq!(
            choose(&[none], Needs::default(), 0),
            None,
            "of which nobody knows how fresh it is"
        );
    }

    #[test]
    fn the_less_busy_and_the_faster_are_preferred() {
        for (pair, expected) in [
            ([candidate(1, 100, 0), candidate(1, 100, 1)], 0),
            ([candidate(1, 500, 0), candidate(1, 100, 1)], 1),
            ([candidate(1, 150, 0), candidate(1, 100, 1)], 0),
        ] {
            for dice in 0..5 {
                assert_eq!(choose(&pair, Needs::default(), dice), Some(expected), "{pair:?}");
            }
        }
        let many = [candidate(1, 100, 0); 5];
        let drawn: std::collections::HashSet<_> = (0..40).map(|dice| choose(&many, Needs::default(), dice)).collect();
        assert_eq!(drawn.len(), 5, "everybody has a turn");
    }
}
