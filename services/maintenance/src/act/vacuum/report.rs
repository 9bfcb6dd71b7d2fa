//! What VACUUM (VERBOSE) says that it did, of PostgreSQL 15 to 18. A server that speaks another language says nothing
//! that can be read here; then there is no report.

/// What is read of it: of the table and of what is stored out of line together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Dead rows that were removed.
    pub removed: u64,
    /// Dead rows that had to stay, because somebody may still see them.
    pub dead_left: u64,
    /// How far back the oldest transaction was that rows were kept for, in transaction ids.
    pub cutoff_age: u64,
    /// It went into failsafe.
    pub is_failsafe: bool,
}

impl Report {
    /// Reads what was remarked; none where nothing of it is a report.
    pub(crate) fn read<'a>(remarks: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut report: Option<Self> = None;
        for remark in remarks.filter(|remark| remark.starts_with("finished vacuuming")) {
            report.get_or_insert_default().add(remark);
        }
        report
    }

    fn add(&mut self, remark: &str) {
        for line in remark.lines() {
            if let Some(rest) = line.strip_prefix("tuples: ") {
                self.removed += number_before(rest, " removed");
                self.dead_left += number_before(rest, " are dead but not yet removable");
            } else if line.starts_with("removable cutoff: ") {
                let age = number_before(line, " XIDs old when operation ended");
                self.cutoff_age = self.cutoff_age.max(age);
            } else if line.contains("by failsafe") {
                self.is_failsafe = true;
            }
        }
    }

    /// Why dead rows stayed, or rows could not be frozen.
    pub(crate) fn held(&self) -> Option<String> {
        (self.dead_left > 0).then(|| {
            format!(
                "{} dead rows stayed, because a transaction of {} transaction ids ago may still see them",
                self.dead_left, self.cutoff_age
            )
        })
    }
}

/// The number that stands before these words; 0 where there is none.
fn number_before(text: &str, words: &str) -> u64 {
    let Some((before, _)) = text.split_once(words) else {
        return 0;
    };
    let digits = before.rsplit(|character: char| !character.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIFTEEN: &str = "finished vacuuming \"shop.public.t\": index scans: 1
pages: 0 removed, 104 remain, 104 scanned (100.00% of total)
tuples: 5000 removed, 5000 remain, 12 are dead but not yet removable
removable cutoff: 729, which was 31 XIDs old when operation ended
new relfrozenxid: 729, which is 3 XIDs ahead of previous value";
    const EIGHTEEN: &str = "finished vacuuming \"shop.pg_toast.pg_toast_16385\": index scans: 0
pages: 0 removed, 0 remain, 0 scanned (100.00% of total), 0 eagerly scanned
tuples: 7 removed, 0 remain, 3 are dead but not yet removable
removable cutoff: 757, which was 12 XIDs old when operation ended
index scan bypassed by failsafe: 4 pages from table (50.00% of total) have 5 dead item identifiers";

    #[test]
    fn a_table_and_its_toast_are_one() {
        let report = Report::read(["vacuuming \"shop.public.t\"", FIFTEEN, EIGHTEEN].into_iter()).unwrap();
        let expected = Report {
            removed: 5_007,
            dead_left: 15,
            cutoff_age: 31,
            is_failsafe: true,
        };
        assert_eq!(report, expected);
        let held = report.held().unwrap();
        assert!(
            held.contains("15 dead rows") && held.contains("31 transaction ids ago"),
            "{held}"
        );
    }

    #[test]
    fn another_language_is_no_report() {
        assert_eq!(
            Report::read(["Vacuum von »t« beendet: Index-Scans: 1"].into_iter()),
            None
        );
        let odd = Report::read(["finished vacuuming \"a\": \ntuples: many removed"].into_iter());
        assert_eq!(odd, Some(Report::default()));
    }
}
