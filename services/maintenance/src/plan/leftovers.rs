//! What rewrites leave behind when they are cut off, told from what users made. Pure.
//!
//! REINDEX CONCURRENTLY leaves an invalid index whose name PostgreSQL made of the original's: `x_ccnew` while the new one
//! is built, `x_ccold` once it has taken the old one's place, with a number behind it where the name was taken, cut in
//! the middle of the original's name where it would be too long. A name alone proves nothing, as a user may have chosen
//! it. So an index is given up only if it is invalid, stands for nothing, nobody works on it, and a valid index beside it
//! has the name that it was made from and the same definition.

/// Bytes of a name, in PostgreSQL as it is usually built.
const NAME_BYTES_MAX: usize = 63;

/// What is known of an index of a table that has an invalid one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexFacts {
    /// Its number.
    pub oid: u32,
    /// The schema of the index and its table.
    pub schema: String,
    /// Its own name.
    pub name: String,
    /// The length of its name in the encoding of the database.
    pub name_bytes: usize,
    /// The number of its table.
    pub table_oid: u32,
    /// The table as people know it, which for a TOAST table is the one that it belongs to.
    pub table: String,
    /// Whether queries use it.
    pub is_valid: bool,
    /// Whether a constraint, a replica identity or an index of a partitioned table rests on it.
    pub is_needed: bool,
    /// Whether somebody works on it or on its table's indexes right now.
    pub is_busy: bool,
    /// Everything that makes it what it is, apart from its name.
    pub definition: String,
}

impl IndexFacts {
    /// The name as it stands in a statement.
    pub(crate) fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }
}

/// What pg_repack made for one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RepackFacts {
    /// The number of the table that was repacked, which is in all names.
    pub oid: u32,
    /// The table's schema and name, if it still exists.
    pub table: Option<(String, String)>,
    /// Whether the table has pg_repack's trigger.
    pub has_trigger: bool,
    /// Whether there is a table with the columns of its log.
    pub has_log: bool,
    /// Whether there is the type of the log's key.
    pub has_key: bool,
    /// Whether there is the copy.
    pub has_copy: bool,
    /// Whether a pg_repack holds the lock under which it works on that table.
    pub is_running: bool,
}

impl RepackFacts {
    /// The table in words.
    pub(crate) fn subject(&self) -> String {
        match &self.table {
            Some((schema, name)) => format!("{schema}.{name}"),
            None => format!("a dropped table (oid {})", self.oid),
        }
    }
}

/// What becomes of something that looks left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was left behind and is to be removed.
    Abandoned,
    /// Somebody is still at it: look again later.
    Busy(String),
    /// It may be a user's own: nothing is done, and a person should look.
    Users(String),
}

/// Judges an invalid index. `known` are numbers of indexes that this process saw come into being under its own REINDEX.
pub(crate) fn judge_index(index: &IndexFacts, all: &[IndexFacts], known: &[u32]) -> Verdict {
    if index.is_valid {
        return Verdict::Users("it is valid".to_owned());
    }
    if index.is_needed {
        return Verdict::Users("a constraint or a partitioned index rests on it".to_owned());
    }
    if !is_made_up(index, all, known) {
        return Verdict::Users(format!(
            "it is invalid: queries do not use it, and writes may still pay for it; \
             its CREATE INDEX CONCURRENTLY probably failed. Drop it, or REINDEX INDEX CONCURRENTLY {}",
            index.quoted()
        ));
    }
    if index.is_busy {
        return Verdict::Busy(format!("somebody works on indexes of {}", index.table));
    }
    Verdict::Abandoned
}

/// Whether PostgreSQL made it for a REINDEX CONCURRENTLY.
fn is_made_up(index: &IndexFacts, all: &[IndexFacts], known: &[u32]) -> bool {
    if label_of(&index.name).is_none() {
        return false;
    }
    let original = |other: &IndexFacts| {
        other.is_valid
            && other.table_oid == index.table_oid
            && other.definition == index.definition
            && is_made_from(&index.name, index.name_bytes, &other.name)
    };
    known.contains(&index.oid) || all.iter().any(original)
}

/// What a REINDEX CONCURRENTLY appended to a name: `ccnew` or `ccold`, and perhaps a number from 1.
fn label_of(name: &str) -> Option<&str> {
    let (_, label) = name.rsplit_once('_')?;
    let number = label.strip_prefix("ccnew").or_else(|| label.strip_prefix("ccold"))?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    is_number.then_some(label)
}

/// Whether PostgreSQL would make `name`, of so many bytes, from an index called `original`: as much of it as fits, in
/// whole characters, and the label.
pub(crate) fn is_made_from(name: &str, name_bytes: usize, original: &str) -> bool {
    let Some(label) = label_of(name) else { return false };
    let Some(kept) = name.strip_suffix(label).and_then(|kept| kept.strip_suffix('_')) else {
        return false;
    };
    match original.strip_prefix(kept).map(|cut| cut.chars().next()) {
        Some(None) => true,
        // Only what does not fit is cut off.
        Some(Some(next)) => name_bytes <= NAME_BYTES_MAX && name_bytes + width(next, name, name_bytes) > NAME_BYTES_MAX,
        None => false,
    }
}

/// Bytes of a character in the database, where a name shows whether it uses one byte for each.
fn width(next: char, name: &str, name_bytes: usize) -> usize {
    let is_single = name_bytes == name.chars().count() && name_bytes != name.len();
    if is_single { 1 } else { next.len_utf8() }
}

/// Judges what a pg_repack made.
pub(crate) fn judge_repack(facts: &RepackFacts) -> Verdict {
    if facts.is_running {
        return Verdict::Busy(format!("a pg_repack works on {}", facts.subject()));
    }
    if !(facts.has_trigger || facts.has_log || facts.has_key) {
        return Verdict::Users(format!(
            "repack.table_{} is in pg_repack's schema, but nothing else of a pg_repack is there",
            facts.oid
        ));
    }
    Verdict::Abandoned
}

/// The statements that remove what a pg_repack made, in one transaction. The table is locked first, because writers take
/// it before the log; otherwise the two could wait for each other.
pub(crate) fn repack_removal(facts: &RepackFacts) -> String {
    let oid = facts.oid;
    let mut sql = "begin;\n".to_owned();
    if facts.has_trigger
        && let Some((schema, name)) = &facts.table
    {
        let table = format!("{}.{}", quote(schema), quote(name));
        sql.push_str(&format!(
            "lock table {table} in access exclusive mode;\ndrop trigger if exists repack_trigger on {table};\n"
        ));
    }
    if facts.has_log {
        sql.push_str(&format!("drop table if exists repack.log_{oid};\n"));
    }
    if facts.has_copy {
        sql.push_str(&format!("drop table if exists repack.table_{oid};\n"));
    }
    if facts.has_key {
        sql.push_str(&format!("drop type if exists repack.pk_{oid};\n"));
    }
    sql.push_str("commit");
    sql
}

/// A name as it stands in a statement, whatever characters it has.
pub(crate) fn quote(part: &str) -> String {
    format!("\"{}\"", part.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(name: &str, is_valid: bool) -> IndexFacts {
        IndexFacts {
            oid: 1,
            schema: "public".to_owned(),
            name: name.to_owned(),
            name_bytes: name.len(),
            table_oid: 7,
            table: "public.t".to_owned(),
            is_valid,
            is_needed: false,
            is_busy: false,
            definition: "btree (a)".to_owned(),
        }
    }

    fn abandoned(name: &str, original: &str) -> bool {
        let invalid = index(name, false);
        judge_index(&invalid, &[invalid.clone(), index(original, true)], &[]) == Verdict::Abandoned
    }

    #[test]
    fn names_that_postgres_makes_are_known() {
        for name in ["x_ccnew", "x_ccnew1", "x_ccnew12", "x_ccold", "x_ccold3"] {
            assert!(abandoned(name, "x"), "{name}");
        }
        assert!(
            abandoned("x_ccnew_ccnew", "x_ccnew"),
            "an index that is called so itself"
        );
    }

    #[test]
    fn other_names_are_the_users() {
        for name in [
            "x_ccnew0",
            "x_ccnew01",
            "x_ccnewer",
            "x_ccnew_",
            "x_cc",
            "x_new",
            "xccnew",
            "_ccnew",
            "y_ccnew",
            "x_CCNEW",
            "x_ccnew1a",
        ] {
            assert!(!abandoned(name, "x"), "{name}");
        }
    }

    #[test]
    fn a_name_is_cut_only_where_it_does_not_fit() {
        let long = "i".repeat(60);
        let made = |kept: usize, label: &str| format!("{}_{label}", "i".repeat(kept));
        assert!(abandoned(&made(57, "ccnew"), &long));
        assert!(abandoned(&made(56, "ccnew1"), &long));
        assert!(abandoned(&made(55, "ccold12"), &long));
        assert!(abandoned(&made(57, "ccnew"), &"i".repeat(57)), "it fits exactly");
        for kept in [1, 50, 56, 58] {
            assert!(!abandoned(&made(kept, "ccnew"), &long), "{kept} kept");
        }
    }

    #[test]
    fn a_name_is_cut_between_characters() {
        // 19 characters of 3 bytes are 57; of a longer name with 2 bytes in front, 18 fit and one byte stays free.
        let euros = |count: usize| "€".repeat(count);
        assert!(abandoned(&format!("{}_ccnew", euros(19)), &euros(20)));
        assert!(abandoned(
            &format!("ab{}_ccnew", euros(18)),
            &format!("ab{}", euros(20))
        ));
        assert!(!abandoned(
            &format!("ab{}_ccnew", euros(17)),
            &format!("ab{}", euros(20))
        ));
    }

    #[test]
    fn a_database_may_use_one_byte_for_a_character() {
        let original = "ä".repeat(60);
        let mut left = index(&format!("{}_ccnew", "ä".repeat(57)), false);
        left.name_bytes = 63;
        assert!(is_made_from(&left.name, left.name_bytes, &original));
        left.name = format!("{}_ccnew", "ä".repeat(56));
        left.name_bytes = 62;
        assert!(!is_made_from(&left.name, left.name_bytes, &original));
    }

    #[test]
    fn what_does_not_match_in_everything_is_the_users() {
        let invalid = index("x_ccnew", false);
        let original = index("x", true);
        let judge = |invalid: &IndexFacts, original: &IndexFacts| {
            matches!(
                judge_index(invalid, &[invalid.clone(), original.clone()], &[]),
                Verdict::Users(_)
            )
        };
        assert!(!judge(&invalid, &original));
        assert!(judge(
            &IndexFacts {
                is_valid: true,
                ..invalid.clone()
            },
            &original
        ));
        assert!(judge(
            &IndexFacts {
                is_needed: true,
                ..invalid.clone()
            },
            &original
        ));
        assert!(judge(
            &IndexFacts {
                definition: "btree (b)".to_owned(),
                ..invalid.clone()
            },
            &original
        ));
        assert!(judge(
            &IndexFacts {
                table_oid: 8,
                ..invalid.clone()
            },
            &original
        ));
        assert!(judge(
            &invalid,
            &IndexFacts {
                is_valid: false,
                ..original
            }
        ));
    }

    #[test]
    fn what_was_seen_to_come_into_being_needs_no_original() {
        let mut invalid = index("x_ccnew", false);
        assert_eq!(judge_index(&invalid, &[], &[1]), Verdict::Abandoned);
        assert!(matches!(judge_index(&invalid, &[], &[2]), Verdict::Users(_)));
        invalid.name = "x".to_owned();
        assert!(
            matches!(judge_index(&invalid, &[], &[1]), Verdict::Users(_)),
            "the original itself"
        );
    }

    #[test]
    fn nothing_is_taken_from_who_works_on_it() {
        let mut invalid = index("x_ccnew", false);
        invalid.is_busy = true;
        let all = [invalid.clone(), index("x", true)];
        assert!(matches!(judge_index(&invalid, &all, &[]), Verdict::Busy(_)));
    }

    #[test]
    fn a_pg_repack_is_left_alone_while_it_runs() {
        let mut facts = RepackFacts {
            oid: 5,
            has_log: true,
            is_running: true,
            ..RepackFacts::default()
        };
        assert!(matches!(judge_repack(&facts), Verdict::Busy(_)));
        facts.is_running = false;
        assert_eq!(judge_repack(&facts), Verdict::Abandoned);
        let copy_alone = RepackFacts {
            oid: 5,
            has_copy: true,
            ..RepackFacts::default()
        };
        assert!(matches!(judge_repack(&copy_alone), Verdict::Users(_)));
    }

    #[test]
    fn the_removal_locks_the_table_first_and_names_only_what_is_there() {
        let all = RepackFacts {
            oid: 5,
            table: Some(("s\"".to_owned(), "t".to_owned())),
            has_trigger: true,
            has_log: true,
            has_key: true,
            has_copy: true,
            is_running: false,
        };
        assert_eq!(
            repack_removal(&all),
            "begin;\nlock table \"s\"\"\".\"t\" in access exclusive mode;\n\
             drop trigger if exists repack_trigger on \"s\"\"\".\"t\";\n\
             drop table if exists repack.log_5;\ndrop table if exists repack.table_5;\n\
             drop type if exists repack.pk_5;\ncommit"
        );
        let orphan = RepackFacts {
            table: None,
            has_trigger: false,
            has_copy: false,
            ..all
        };
        assert_eq!(
            repack_removal(&orphan),
            "begin;\ndrop table if exists repack.log_5;\ndrop type if exists repack.pk_5;\ncommit"
        );
    }
}
