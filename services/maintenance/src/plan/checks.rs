//! Which index is checked next. Pure.

use std::cmp::Reverse;
use std::time::Duration;

use super::{Candidate, Expected, History, IndexFacts, Kind, Wanted};

/// An index that was checked within this time is not checked again by itself.
const CHECKED_FOR: Duration = Duration::from_hours(24);

/// A line on each B-tree: the one whose turn it is, or those that somebody named, are selected.
pub(crate) fn plan_checks(
    indexes: &[IndexFacts],
    has_amcheck: bool,
    wanted: &Wanted,
    history: &History,
) -> Vec<Candidate> {
    let since = |index: &IndexFacts| history.earlier(Kind::Verify, &index.subject).since_done;
    let mut trees: Vec<&IndexFacts> = indexes
        .iter()
        .filter(|index| index.method == "btree" && index.fixed.is_none())
        .collect();
    // Those that never were come first, then the one that was checked longest ago.
    trees.sort_by_key(|index| (since(index).is_some(), Reverse(since(index)), index.subject.clone()));
    let line = |(place, index): (usize, &IndexFacts)| {
        let (selected, reason) = match since(index) {
            _ if !has_amcheck => (false, "the extension amcheck is not installed"),
            _ if wanted.names(&index.subject) => (true, "ordered by name"),
            Some(since) if since < CHECKED_FOR => (false, "it was checked within a day"),
            _ if place == 0 => (true, "it was checked longest ago, or never"),
            _ => (false, "others come first"),
        };
        Candidate {
            oid: index.oid,
            expected: Expected {
                cost_bytes: index.size_bytes.max(0).unsigned_abs(),
                ..Expected::default()
            },
            ..Candidate::bare(Kind::Verify, index.subject.clone(), selected, reason.to_owned())
        }
    };
    trees.into_iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::facts::samples::table;
    use super::super::{Piece, Subject};
    use super::*;

    fn index(name: &str) -> IndexFacts {
        IndexFacts {
            oid: 1,
            table_oid: 1,
            subject: Subject {
                table: table("t", 1).table,
                index: Some(name.to_owned()),
            },
            method: "btree".to_owned(),
            size_bytes: 8_192,
            touched_bytes_per_day: 0.0,
            fixed: None,
        }
    }

    fn checked(name: &str, hours: u64) -> Piece {
        Piece {
            kind: Kind::Verify,
            subject: index(name).subject,
            since: Duration::from_hours(hours),
            is_done: true,
            cost_bytes: 1,
            took: Duration::from_secs(1),
        }
    }

    fn chosen(pieces: Vec<Piece>, wanted: &str, has_amcheck: bool) -> Vec<String> {
        let mut hash = index("h");
        hash.method = "hash".to_owned();
        let indexes = [index("a"), index("b"), index("c"), hash];
        let wanted = Wanted {
            kinds: vec![Kind::Verify],
            table: String::new(),
            index: wanted.to_owned(),
            full: false,
        };
        let plan = plan_checks(&indexes, has_amcheck, &wanted, &History::of(pieces));
        let selected = plan.into_iter().filter(|line| line.selected);
        selected.filter_map(|line| line.subject.index).collect()
    }

    #[test]
    fn each_index_has_its_turn_and_none_twice_a_day() {
        assert_eq!(chosen(vec![], "", true), ["a"]);
        assert_eq!(chosen(vec![checked("a", 1)], "", true), ["b"]);
        let all = |a, b, c| vec![checked("a", a), checked("b", b), checked("c", c)];
        assert_eq!(chosen(all(30, 50, 40), "", true), ["b"]);
        assert!(chosen(all(3, 5, 4), "", true).is_empty());
        assert_eq!(chosen(all(3, 5, 4), "c", true), ["c"]);
        assert!(chosen(vec![], "", false).is_empty());
    }
}
