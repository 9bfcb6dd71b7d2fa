//! Faults that the checker has to catch. Only a build with the feature `planted` can have one, which nobody ships; in every
//! other build [`is`] is never true, and the compiler leaves out what hangs on it.

/// What can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Results are stamped by what was applied, not by what is visible.
    StampByApplied,
    /// Results are stamped by a position of the moment at which they were complete.
    StampByLsn,
    /// Nobody waits for what he wrote or saw.
    NoFloor,
    /// Everybody may share a result that is on its way, whenever it was asked for.
    OldLeader,
    /// Changes of definitions and rights make nothing void.
    KillIgnored,
    /// Another epoch makes nothing void.
    EpochIgnored,
    /// Every tenth message changes nothing, and is not missed.
    DroppedBatch,
}

#[cfg(not(feature = "planted"))]
pub(crate) const fn is(_fault: Fault) -> bool {
    false
}

/// Refuses to be broken.
#[cfg(not(feature = "planted"))]
pub(crate) fn plant(name: &str) -> Result<(), weir_runtime::StartError> {
    Err(format!("setting gateway.cache_fault: {name:?} cannot be planted in this build").into())
}

#[cfg(feature = "planted")]
pub(crate) use planted::{is, plant};

#[cfg(feature = "planted")]
pub(crate) mod planted {
    use std::sync::OnceLock;

    use weir_runtime::StartError;

    use super::Fault;

    const NAMES: [(&str, Fault); 7] = [
        ("stamp-by-applied", Fault::StampByApplied),
        ("stamp-by-lsn", Fault::StampByLsn),
        ("no-floor", Fault::NoFloor),
        ("old-leader", Fault::OldLeader),
        ("kill-ignored", Fault::KillIgnored),
        ("epoch-ignored", Fault::EpochIgnored),
        ("dropped-batch", Fault::DroppedBatch),
    ];

    static PLANTED: OnceLock<Option<Fault>> = OnceLock::new();

    /// Plants the fault that the settings name.
    pub(crate) fn plant(name: &str) -> Result<(), StartError> {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        if found.is_none() && !["", "none"].contains(&name) {
            return Err(format!("setting gateway.cache_fault: {name:?} is no fault").into());
        }
        let _ = PLANTED.set(found.map(|(_, fault)| *fault));
        Ok(())
    }

    /// Whether this is broken.
    pub(crate) fn is(fault: Fault) -> bool {
        PLANTED.get().copied().flatten() == Some(fault)
    }
}
