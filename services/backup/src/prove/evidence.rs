//! What a proof found, as it is kept: sealed beside the backups, under the proof's id.

use prost::Message;

use crate::error::Error;
use crate::repo::seal::Kind;
use crate::repo::state::Position;
use crate::repo::{self, Repository};

/// So many lines of what was found wrong are kept for one check.
pub(crate) const FINDINGS_MAX: usize = 100;

/// What a proof found.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Evidence {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub backup_id: String,
    /// Each check, in the order in which they were made.
    #[prost(message, repeated, tag = "3")]
    pub checks: Vec<Check>,
    /// Rows of each table, where they were counted.
    #[prost(message, repeated, tag = "4")]
    pub ledger: Vec<Count>,
    /// Where recovery was to end, in words.
    #[prost(string, tag = "5")]
    pub target: String,
    /// Whether the structure of every relation is known to be sound: looked at now, or unchanged since it was.
    #[prost(bool, tag = "6")]
    pub structure_known: bool,
    #[prost(message, optional, tag = "7")]
    pub recovered_to: Option<Position>,
    /// The hash of the manifest that was restored.
    #[prost(bytes = "vec", tag = "8")]
    pub manifest_hash: Vec<u8>,
}

/// One check.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Check {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(bool, tag = "2")]
    pub passed: bool,
    #[prost(uint64, tag = "3")]
    pub examined: u64,
    #[prost(uint64, tag = "4")]
    pub duration_ms: u64,
    /// What was found wrong.
    #[prost(string, repeated, tag = "5")]
    pub findings: Vec<String>,
    /// What is to be known beside that, such as what could not be looked at.
    #[prost(string, repeated, tag = "6")]
    pub notes: Vec<String>,
    /// Everything that was found wrong, as a number.
    #[prost(uint64, tag = "7")]
    pub findings_total: u64,
}

/// Rows of one table.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Count {
    #[prost(string, tag = "1")]
    pub database: String,
    /// As `schema.name`.
    #[prost(string, tag = "2")]
    pub table: String,
    #[prost(uint64, tag = "3")]
    pub rows: u64,
    #[prost(uint64, tag = "4")]
    pub bytes: u64,
}

impl Check {
    /// A check of this name, with nothing found so far.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            passed: true,
            ..Self::default()
        }
    }

    /// Something is wrong.
    pub(crate) fn found(&mut self, finding: impl Into<String>) {
        self.passed = false;
        self.findings_total += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding.into());
        }
    }

    /// Something is to be known, and is not wrong.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        if self.notes.len() < FINDINGS_MAX {
            self.notes.push(note.into());
        }
    }
}

/// Where the evidence of a proof lies.
pub(crate) fn path_of(id: &str) -> String {
    format!("proofs/{id}")
}

impl Repository {
    /// Keeps what a proof found.
    pub(crate) async fn put_evidence(&self, evidence: &Evidence) -> Result<(), Error> {
        let path = path_of(&evidence.id);
        // An attempt that was cut off may have left some that nothing lists.
        let sealed = self.sealed(Kind::Evidence, &path, &evidence.encode_to_vec())?;
        Ok(self.shelf().put_over(&path, sealed).await?)
    }

    /// What a proof found.
    pub(crate) async fn evidence(&self, id: &str) -> Result<Evidence, Error> {
        let path = path_of(id);
        let plain = self.get_sealed(Kind::Evidence, &path).await?;
        let read = Evidence::decode(plain.as_slice());
        Ok(read.map_err(|error| repo::Error::corrupt(&path, error.to_string()))?)
    }
}
