//! What is not done as things stand, by the names that `docs/reference/errors.md` has. Pure.

use crate::error::Error;

/// Why an order is not carried out, or has come to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Backups are switched off.
    Off,
    /// It is not for this project to order.
    NotYours,
    /// There is nothing to back up to.
    NoRepository,
    /// The server did not answer a question in time.
    ServerSilent,
    /// A backup did not stand its proof.
    ProofFailed,
    /// A proof could not be carried out.
    ProofInconclusive,
    /// Commits are not safe for longer than they may be.
    LogExposed,
    /// The slot will soon be given up.
    SlotNearGuard,
    /// Objects of a repository are not what was written.
    Damaged,
}

impl Refusal {
    /// The short name.
    pub(crate) const fn slug(self) -> &'static str {
        match self {
            Self::Off => "backup-off",
            Self::NotYours => "backup-not-yours",
            Self::NoRepository => "backup-no-repository",
            Self::ServerSilent => "backup-server-silent",
            Self::ProofFailed => "backup-proof-failed",
            Self::ProofInconclusive => "backup-proof-inconclusive",
            Self::LogExposed => "backup-log-exposed",
            Self::SlotNearGuard => "backup-slot-near-guard",
            Self::Damaged => "backup-damaged",
        }
    }

    /// The error that says so, for this reason.
    pub(crate) fn because(self, reason: impl Into<String>) -> Error {
        Error::Refused {
            slug: self.slug(),
            reason: reason.into(),
        }
    }
}

/// Backups are switched off.
pub(crate) fn switched_off() -> Error {
    Refusal::Off.because("backups are switched off: backup.enabled is false")
}
