//! Pure. One thing that a result can depend on.

use weir_model::{Fingerprint, Project};

use crate::buckets::BUCKETS;
use crate::canonical::Canonical;

/// One thing that a result can depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(u64);

impl Tag {
    /// A table as a whole: raised by every change of any of its rows.
    pub fn table(relation: u32) -> Self {
        Self::of("table", &[&relation.to_be_bytes()])
    }

    /// All rows of a table at once: raised where nobody can say which rows changed (TRUNCATE, a huge transaction, a
    /// value that the log leaves out). Whoever depends on a row depends on this too.
    pub fn all_rows(relation: u32) -> Self {
        Self::of("rows", &[&relation.to_be_bytes()])
    }

    /// The rows of a table that have this value in this column: raised where one comes or goes, or changes in a way that
    /// is not told cell by cell.
    pub fn row(relation: u32, column: &str, value: &Canonical) -> Self {
        Self::of("row", &[&relation.to_be_bytes(), column.as_bytes(), value.bytes()])
    }

    /// The same rows, where nothing changed but cells that are told one by one: raised with each of those.
    pub fn cells(relation: u32, column: &str, value: &Canonical) -> Self {
        Self::of("cells", &[&relation.to_be_bytes(), column.as_bytes(), value.bytes()])
    }

    /// One cell of the same rows: that in the column `cell`.
    pub fn cell(relation: u32, column: &str, value: &Canonical, cell: &str) -> Self {
        let parts = [
            &relation.to_be_bytes(),
            column.as_bytes(),
            value.bytes(),
            cell.as_bytes(),
        ];
        Self::of("cell", &parts)
    }

    /// Every result of one shape of statement: raised by hand only.
    pub fn shape(fingerprint: Fingerprint) -> Self {
        Self::of("shape", &[fingerprint.to_string().as_bytes()])
    }

    /// Every result of one project: raised by hand only.
    pub fn project(project: &Project) -> Self {
        Self::of("project", &[project.as_str().as_bytes()])
    }

    /// The tag of this number, as it was told.
    pub const fn told(number: u64) -> Self {
        Self(number)
    }

    /// Its number, as it is told.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The bucket that it falls into.
    pub const fn bucket(self) -> usize {
        // Fewer buckets than a 32-bit number has values.
        (self.0 % BUCKETS as u64) as usize
    }

    fn of(kind: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(kind.as_bytes());
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let mut number = [0; 8];
        hasher.finalize_xof().fill(&mut number);
        Self(u64::from_be_bytes(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Family;

    #[test]
    fn what_differs_in_any_part_is_another_tag() {
        let value = |number: &str| Family::Integer.from_text(number.as_bytes()).unwrap();
        let tags = [
            Tag::table(1),
            Tag::table(2),
            Tag::all_rows(1),
            Tag::row(1, "a", &value("7")),
            Tag::row(1, "b", &value("7")),
            Tag::row(1, "a", &value("8")),
            Tag::row(2, "a", &value("7")),
            Tag::cells(1, "a", &value("7")),
            Tag::cell(1, "a", &value("7"), "a"),
            Tag::cell(1, "a", &value("7"), "b"),
            Tag::cell(1, "b", &value("7"), "a"),
            Tag::project(&Project::default()),
        ];
        let unique: std::collections::HashSet<_> = tags.iter().collect();
        assert_eq!(unique.len(), tags.len());
        assert_eq!(Tag::told(tags[3].number()), Tag::row(1, "a", &value("7")));
        assert!(tags.iter().all(|tag| tag.bucket() < BUCKETS));
    }

    #[test]
    fn the_number_of_a_tag_never_changes() {
        // Two versions of Weir that talk to each other have to agree on it.
        assert_eq!(Tag::table(16_384).number(), 2_037_495_352_647_856_330);
    }
}
